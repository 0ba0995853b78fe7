import { stripVTControlCharacters } from 'node:util';

import type { pushSchema as PushSchema } from 'drizzle-kit/api';

import { AuthorizeError } from '../../errors.ts';
import { filterOf, loadKitApi, type PushQuestion, type StructurePlan } from '../push-plan.ts';
import { trimStatement } from '../statements.ts';

interface Api {
  readonly pushSchema: typeof PushSchema;
}

/**
 * Asks drizzle-kit 0.31 what it would push. It asks in the terminal what has a new name and what is new.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED` for `casing`, which its interface does not take, and for a question without
 *   a terminal
 */
export async function planPush({ imports, database, config, schemas }: PushQuestion): Promise<StructurePlan> {
  if (config.casing !== undefined) {
    throw new AuthorizeError('ERR_KIT_UNSUPPORTED', 'drizzle-kit 0.31 pushes no schema with `casing`', {
      hint: 'Name the columns in the schema, or use `npx drizzle-kit generate` and `npx drizzle-kit migrate`.',
    });
  }
  const { pushSchema } = loadKitApi('drizzle-kit/api') as Api;
  try {
    const { statementsToExecute, warnings } = await pushSchema(
      { ...imports },
      database,
      filterOf(config.schemaFilter) ?? [...schemas],
      filterOf(config.tablesFilter),
      config.extensionsFilters,
    );
    return {
      statements: statementsToExecute.map(trimStatement),
      warnings: warnings.map((warning) => stripVTControlCharacters(warning).replace(/^· /, '')),
    };
  } catch (cause) {
    if (!(cause instanceof Error) || !/TTY/i.test(cause.message)) throw cause;
    throw new AuthorizeError(
      'ERR_KIT_UNSUPPORTED',
      'drizzle-kit has to ask whether something is new or has a new name, and there is no terminal',
      { cause, hint: 'Run push in a terminal.' },
    );
  }
}
