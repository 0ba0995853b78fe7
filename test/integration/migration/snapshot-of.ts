import type { AccessModel } from '../../../src/migration/access-model.ts';
import { emptySnapshot, type Snapshot } from '../../../src/migration/snapshot.ts';
import { qualifiedName } from '../../../src/migration/table-name.ts';

/** What drizzle-kit would have noted of the tables of a model, as far as a first migration asks. */
export function snapshotOf(model: AccessModel): Snapshot {
  return {
    ...emptySnapshot,
    tables: new Map(
      model.tables.map(({ schema, name, columns }) => [
        qualifiedName({ schema, name }),
        { schema, name, columns, content: name, policies: [], rowSecurity: false, sequences: false },
      ]),
    ),
  };
}
