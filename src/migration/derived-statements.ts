import { doBlock } from '../database/do-block.ts';
import { quoteLiteral } from '../database/quote-literal.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { regclasses, revokeLoop, type Grantees } from './access-statements.ts';
import { derivedPrivilege, type DerivedAccess } from './derived-access.ts';
import type { MigrationInput } from './migration-input.ts';
import type { MigrationState } from './migration-state.ts';
import { quoteRole } from './quote-role.ts';
import { qualifiedName } from './table-name.ts';

/** What a migration does about views and sequences, in the order in which it happens. */
export interface DerivedStatements {
  /** Before drizzle-kit changes them, or what they read. */
  readonly revoke: readonly string[];
  /** With the other grants: first what they come with is taken. */
  readonly grant: readonly string[];
  /** Fails if a view reads with its owner's rights. */
  readonly assert: readonly string[];
  /** How many privileges it gives. */
  readonly grants: number;
}

/** Asserts all of them anew with every change of drizzle-kit's: it makes views anew without saying so. */
export function derivedStatements(
  { previous, statements }: MigrationInput,
  state: MigrationState,
  grantees: Grantees,
): DerivedStatements {
  const [had, has] = [previous.derived ?? [], state.derived ?? []];
  const concerned =
    statements.length > 0 ||
    JSON.stringify(had) !== JSON.stringify(has) ||
    state.managedRoles.some((role) => !previous.managedRoles.includes(role));
  if (!concerned) return { revoke: [], grant: [], assert: [], grants: 0 };
  return {
    revoke: revokeDerived(had, grantees),
    grant: [
      ...revokeDerived(has, grantees),
      ...has.map((one) => {
        const on = `${one.kind === 'sequence' ? 'SEQUENCE ' : ''}${qualifiedName(one)}`;
        return `GRANT ${derivedPrivilege[one.kind]} ON ${on} TO ${one.grantees.map(quoteRole).join(', ')}`;
      }),
    ],
    assert: assertInvokers(has.filter(({ kind }) => kind === 'view')),
    grants: has.reduce((sum, one) => sum + one.grantees.length, 0),
  };
}

// They may be gone, or be something else by the same name.
function revokeDerived(derived: readonly DerivedAccess[], { identity, others }: Grantees): readonly string[] {
  if (derived.length === 0) return [];
  const from = ['PUBLIC', ...identity.map(quoteIdentifier)].join(', ').replaceAll('%', '%%');
  return [
    doBlock(
      [
        `DECLARE target regclass;${others.length > 0 ? ' grantee name;' : ''} BEGIN`,
        `  FOR target IN SELECT oid FROM pg_catalog.pg_class WHERE oid = ANY (${regclasses(derived)})`,
        '  LOOP',
        `    EXECUTE format(${quoteLiteral(`REVOKE ALL ON %s FROM ${from} CASCADE`)}, target);`,
        '  END LOOP;',
        ...(others.length > 0 ? [revokeLoop(regclasses(derived), others)] : []),
        'END',
      ].join('\n'),
    ),
  ];
}

function assertInvokers(views: readonly DerivedAccess[]): readonly string[] {
  if (views.length === 0) return [];
  return [
    doBlock(`DECLARE opened text; BEGIN
  SELECT string_agg(class.oid::regclass::text, ', ') INTO opened FROM pg_catalog.pg_class AS class
  WHERE class.oid = ANY (${regclasses(views)}) AND NOT (class.relkind = 'v' AND EXISTS (
    SELECT FROM pg_options_to_table(class.reloptions) WHERE option_name = 'security_invoker' AND option_value::boolean));
  IF opened IS NOT NULL THEN
    RAISE EXCEPTION 'open past row level security: % reads with its owner''s rights', opened
      USING HINT = 'Somebody has changed it by hand: ALTER VIEW … SET (security_invoker = true).';
  END IF;
END`),
  ];
}
