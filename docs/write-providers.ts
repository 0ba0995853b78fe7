import { writeFile } from 'node:fs/promises';

import { providersPage } from './providers-page.ts';

await writeFile('docs/providers.md', await providersPage());
