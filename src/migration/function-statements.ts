import type { AccessModel, FunctionAccess } from './access-model.ts';
import { createFunction, dropFunction, grantFunction, revokeFunction } from './member-function.ts';
import type { MigrationState } from './migration-state.ts';
import { qualifiedName } from './table-name.ts';
import type { TouchedTable } from './touched-tables.ts';

/** What a migration does with the functions that policies call, in the order in which it happens. */
export interface FunctionStatements {
  /** Once the policies that call them are gone, and before drizzle-kit takes away what they read. */
  readonly drop: readonly string[];
  /** Once drizzle-kit has made what they read, and before the policies that call them. */
  readonly create: readonly string[];
  /** With the other grants. */
  readonly grant: readonly string[];
}

/** @param anew every function is made anew, because the migration takes away what one of them may mention */
export function functionStatements(
  previous: MigrationState,
  model: AccessModel,
  { tables, anew }: { readonly tables: readonly TouchedTable[]; readonly anew: boolean },
): FunctionStatements {
  const { authSchema } = model;
  const had = previous.functions ?? {};
  const touched = new Set(tables.map(qualifiedName));
  const callers = (name: string): readonly string[] =>
    model.tables
      .filter(({ policies }) =>
        policies.some((policy) => policy.functions.some((called) => called.name === name)),
      )
      .map(qualifiedName);
  const concerned = ({ name, reads, grantees }: FunctionAccess): boolean =>
    anew ||
    JSON.stringify(had[name]) !== JSON.stringify(grantees) ||
    [...reads.map(qualifiedName), ...callers(name)].some((table) => touched.has(table));

  const written = model.functions.filter(concerned);
  const stays = (name: string): boolean => !anew && model.functions.some((each) => each.name === name);
  return {
    drop: Object.keys(had).flatMap((name) => {
      if (!stays(name)) return [dropFunction(name, authSchema)];
      return written.some((each) => each.name === name) ? [revokeFunction(name, authSchema)] : [];
    }),
    create: written.flatMap((made) => createFunction(made, authSchema)),
    grant: written.flatMap((made) => grantFunction(made, authSchema)),
  };
}
