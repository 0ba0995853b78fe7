import { hasSqlDetails, loadModule, parseSync, type Node } from 'libpg-query';

import { Refusal, type RefusalOptions } from './refusal.ts';

/** Decides whether a statement may be sent to Postgres; throws a {@link Refusal} when not. */
export type StatementPolicy = (text: string) => void;

const maxCachedStatements = 1000;
const maxCachedLength = 16_384;

/**
 * The policy for identity roles: one statement that reads or writes rows, judged on the tree of PostgreSQL's own parser.
 * A utility statement can outlive the request and every reset (`ALTER ROLE … SET`), and some functions of PostgreSQL
 * reach other sessions or run SQL from text, where no tree shows it.
 *
 * Verdicts are kept by text. What users' own functions and views do is outside it.
 *
 * @see https://www.postgresql.org/docs/current/sql-commands.html
 */
export async function createStatementPolicy(): Promise<StatementPolicy> {
  await loadModule();
  const verdicts = new Map<string, Verdict | undefined>();
  return (text) => {
    let verdict = verdicts.get(text);
    if (verdict === undefined && !verdicts.has(text)) {
      verdict = judge(text);
      if (text.length <= maxCachedLength) {
        const oldest = verdicts.keys().next();
        if (verdicts.size >= maxCachedStatements && oldest.done === false) verdicts.delete(oldest.value);
        verdicts.set(text, verdict);
      }
    }
    if (verdict !== undefined) throw new Refusal(verdict.message, verdict);
  };
}

interface Verdict extends RefusalOptions {
  readonly message: string;
}

const insufficientPrivilege = '42501';
const syntaxError = '42601';

const dataStatements: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
]);

function judge(text: string): Verdict | undefined {
  let statements;
  try {
    statements = parseSync(text).stmts ?? [];
  } catch (error) {
    // The parser's way to say that there is no statement; Postgres answers that one itself.
    if (/^[\s;]*$/u.test(text)) return undefined;
    if (!hasSqlDetails(error)) throw error;
    const position = error.sqlDetails?.cursorPosition;
    return {
      message: error.message,
      code: syntaxError,
      ...(position !== undefined && { position: position + 1 }),
    };
  }
  if (statements.length > 1) {
    return { message: 'cannot insert multiple commands into a prepared statement', code: syntaxError };
  }
  const [kind, statement] = Object.entries(statements[0]?.stmt ?? {})[0] ?? [];
  if (kind === undefined) return undefined;
  if (!dataStatements.has(kind)) return refuse(`${inWords(kind)} is not allowed to an identity role`);
  return judgeNode(kind, statement);
}

function judgeNode(kind: string, node: unknown): Verdict | undefined {
  if (Array.isArray(node)) return firstOf(node, (element) => judgeNode(kind, element));
  if (typeof node !== 'object' || node === null) return undefined;
  if (kind === 'intoClause') return refuse('SELECT INTO is not allowed to an identity role');
  if (kind === 'FuncCall') {
    const verdict = judgeCall(node);
    if (verdict !== undefined) return verdict;
  }
  if (kind === 'RangeVar' || kind === 'relation') {
    const verdict = judgeRelation(node);
    if (verdict !== undefined) return verdict;
  }
  return firstOf(Object.entries(node), ([key, value]) => judgeNode(key, value));
}

function firstOf<T, R>(values: readonly T[], judgeOne: (value: T) => R | undefined): R | undefined {
  for (const value of values) {
    const verdict = judgeOne(value);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

// Functions of PostgreSQL that everybody may call and that do more than compute.
const refusedFunctions: readonly RegExp[] = [
  // reach other sessions
  /^pg_(?:terminate|cancel)_backend$/u,
  /^pg_notify$/u,
  /^pg_(?:try_)?advisory_/u,
  /^pg_stat_get_(?:activity|backend_)/u,
  /^pg_(?:prepared_statement|prepared_xact|cursor|lock_status|blocking_pids|safe_snapshot_blocking_pids)/u,
  // write where row level security does not look
  /^lo_/u,
  /^lo(?:read|write)$/u,
  /^pg_logical_emit_message$/u,
  /^pg_export_snapshot$/u,
  // run SQL from text, in which anything of this list could hide
  /^(?:query|table|schema|database|cursor)_to_xml/u,
  /^ts_stat$/u,
  /^ts_rewrite$/u,
  /^dblink/u,
];

function judgeCall(call: object): Verdict | undefined {
  const { funcname = [], args = [] } = call as { funcname?: readonly Node[]; args?: readonly Node[] };
  const parts = funcname.map((part) => ('String' in part ? (part.String.sval ?? '') : ''));
  const name = parts.at(-1) ?? '';
  if (name === 'set_config') return judgeSetConfig(args[0]);
  // ts_rewrite with three arguments only computes.
  if (name === 'ts_rewrite' && args.length === 3) return undefined;
  if (!refusedFunctions.some((pattern) => pattern.test(name))) return undefined;
  return refuse(`the function ${name} is not allowed to an identity role`);
}

// Custom settings have a dot in their names and no effect of their own; a name that is computed could be any.
function judgeSetConfig(setting: Node | undefined): Verdict | undefined {
  const name = setting !== undefined && 'A_Const' in setting ? setting.A_Const.sval?.sval : undefined;
  if (name?.includes('.') === true) return undefined;
  return refuse(
    'set_config of anything but a custom setting, named by a literal, is not allowed to an identity role',
  );
}

// Views through which a session sees or changes what is not its own.
const refusedRelations: ReadonlySet<string> = new Set([
  'pg_stat_activity',
  'pg_prepared_statements',
  'pg_prepared_xacts',
  'pg_cursors',
  'pg_settings',
  'pg_locks',
  'pg_db_role_setting',
]);

function judgeRelation(relation: object): Verdict | undefined {
  const { relname = '', schemaname } = relation as { relname?: string; schemaname?: string };
  if (schemaname !== undefined && schemaname !== 'pg_catalog') return undefined;
  if (!refusedRelations.has(relname)) return undefined;
  return refuse(`the view ${relname} is not allowed to an identity role`);
}

function refuse(message: string): Verdict {
  return { message, code: insufficientPrivilege, detail: 'ERR_STATEMENT_REFUSED' };
}

/** `CreateTableAsStmt` → `CREATE TABLE AS`; the parser's names, but for those that nobody writes. */
function inWords(kind: string): string {
  const names: Readonly<Record<string, string>> = {
    VariableSetStmt: 'SET',
    VariableShowStmt: 'SHOW',
    CreateStmt: 'CREATE TABLE',
    TransactionStmt: 'transaction control',
    RenameStmt: 'ALTER … RENAME',
    IndexStmt: 'CREATE INDEX',
    ViewStmt: 'CREATE VIEW',
    LockStmt: 'LOCK TABLE',
    CallStmt: 'CALL',
  };
  return (
    names[kind] ??
    kind
      .replace(/Stmt$/u, '')
      .replaceAll(/(?<=[a-z])(?=[A-Z])/gu, ' ')
      .toUpperCase()
  );
}
