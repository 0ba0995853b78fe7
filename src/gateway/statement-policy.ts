import { hasSqlDetails, loadModule, parseSync, type Node, type RawStmt } from 'libpg-query';

import { Refusal, type RefusalOptions } from './refusal.ts';
import { maxStatementDepth, statementDepth } from '../database/statement-depth.ts';

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
  const judged = rememberByText(judge);
  return (text) => {
    const verdict = judged(text);
    if (verdict !== undefined) throw new Refusal(verdict.message, verdict);
  };
}

/** Judges each text once, as long as it is asked for often enough; long ones are judged each time. */
export function rememberByText<T>(judgeText: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    // A value of its own, because undefined may be one.
    if (known.has(text)) return known.get(text) as T;
    const judged = judgeText(text);
    if (text.length <= maxCachedLength) {
      const oldest = known.keys().next();
      if (known.size >= maxCachedStatements && oldest.done === false) known.delete(oldest.value);
      known.set(text, judged);
    }
    return judged;
  };
}

/** What a statement is refused with. */
export interface Verdict extends RefusalOptions {
  readonly message: string;
}

const insufficientPrivilege = '42501';
const syntaxError = '42601';
const programLimitExceeded = '54000';
const statementTooComplex = '54001';

const maxLength = 262_144;

const dataStatements: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
]);

function judge(text: string): Verdict | undefined {
  const parsed = parseStatements(text);
  if ('message' in parsed) return parsed;
  if (parsed.length > 1) {
    return { message: 'cannot insert multiple commands into a prepared statement', code: syntaxError };
  }
  const [statement] = parsed;
  return statement && judgeDataStatement(statement);
}

/** One statement of a text. */
export interface ParsedStatement {
  /** The parser's name of it, such as `SelectStmt`. */
  readonly kind: string;
  readonly tree: unknown;
  /** Its own part of the text, without what separates it from the next; undefined when it is all of it. */
  readonly text: string | undefined;
}

/** Splits a text into its statements; a verdict when it cannot be one, or is too much for the parser. */
export function parseStatements(text: string): readonly ParsedStatement[] | Verdict {
  if (text.includes('\0'))
    return { message: 'invalid byte sequence for encoding "UTF8": 0x00', code: '22021' };
  if (text.length > maxLength) {
    const message = `the statement is longer than ${maxLength} characters`;
    return { message, code: programLimitExceeded, hint: 'Put values into parameters.' };
  }
  if (statementDepth(text) > maxStatementDepth)
    return { message: 'the statement is too complex', code: statementTooComplex };
  try {
    const statements = parseSync(text).stmts ?? [];
    return statements.flatMap((raw) => {
      const [kind, tree] = Object.entries(raw.stmt ?? {})[0] ?? [];
      if (kind === undefined) return [];
      return [{ kind, tree, text: statements.length > 1 ? partOf(text, raw) : undefined }];
    });
  } catch (error) {
    // The parser's way to say that there is no statement; Postgres answers that one itself.
    if (/^[\s;]*$/u.test(text)) return [];
    if (!hasSqlDetails(error)) throw error;
    const position = error.sqlDetails?.cursorPosition;
    return {
      message: error.message,
      code: syntaxError,
      ...(position !== undefined && { position: position + 1 }),
    };
  }
}

// The parser counts bytes.
function partOf(text: string, { stmt_location: start = 0, stmt_len: length }: RawStmt): string {
  const bytes = Buffer.from(text);
  return bytes.subarray(start, length === undefined ? undefined : start + length).toString();
}

/** Refuses everything but what reads or writes rows, and what is hidden in that. */
export function judgeDataStatement({ kind, tree }: Omit<ParsedStatement, 'text'>): Verdict | undefined {
  if (!dataStatements.has(kind)) return refuse(`${inWords(kind)} is not allowed to an identity role`);
  return judgeTree(kind, tree);
}

/** Looks for what no statement may hold, of whatever kind it is. With a stack of its own: a tree can be deeper than ours. */
export function judgeTree(kind: string, tree: unknown): Verdict | undefined {
  const rest: (readonly [string, unknown])[] = [[kind, tree]];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const [key, value] = next;
    if (Array.isArray(value)) {
      for (const element of value) rest.push([key, element]);
    } else if (typeof value === 'object' && value !== null) {
      const verdict = judgeNode(key, value);
      if (verdict !== undefined) return verdict;
      rest.push(...Object.entries(value));
    }
  }
  return undefined;
}

function judgeNode(kind: string, node: object): Verdict | undefined {
  switch (kind) {
    case 'intoClause':
      return refuse('SELECT INTO is not allowed to an identity role');
    case 'FuncCall':
      return judgeCall(node);
    case 'A_Indirection':
    case 'ColumnRef':
      return judgeFields(node);
    case 'RangeVar':
    case 'relation':
      return judgeRelation(node);
    default:
      return undefined;
  }
}

// Functions of PostgreSQL that everybody may call and that do more than compute.
const refusedFunctions: ReadonlySet<string> = new Set([
  // reach other sessions
  'pg_terminate_backend',
  'pg_cancel_backend',
  'pg_notify',
  'pg_logical_emit_message',
  'pg_export_snapshot',
  'pg_blocking_pids',
  'pg_safe_snapshot_blocking_pids',
  'pg_lock_status',
  'pg_prepared_statement',
  'pg_prepared_xact',
  'pg_cursor',
  'pg_stat_get_activity',
  ...each(
    'pg_stat_get_backend_',
    'activity activity_start client_addr client_port dbid idset io pid start subxact',
  ),
  ...each('pg_stat_get_backend_', 'userid wait_event wait_event_type wal xact_start'),
  ...each('pg_advisory_', 'lock lock_shared xact_lock xact_lock_shared unlock unlock_shared unlock_all'),
  ...each('pg_try_advisory_', 'lock lock_shared xact_lock xact_lock_shared'),
  // write where row level security does not look
  ...each('lo_', 'creat create from_bytea open close get put unlink import export'),
  ...each('lo_', 'truncate truncate64 lseek lseek64 tell tell64'),
  'loread',
  'lowrite',
  // run SQL from text, in which anything of this list could hide
  ...each('query_to_', 'xml xmlschema xml_and_xmlschema'),
  ...each('table_to_', 'xml xmlschema xml_and_xmlschema'),
  ...each('schema_to_', 'xml xmlschema xml_and_xmlschema'),
  ...each('database_to_', 'xml xmlschema xml_and_xmlschema'),
  ...each('cursor_to_', 'xml xmlschema'),
  'ts_stat',
  'ts_rewrite',
  'dblink',
  ...each('dblink_', 'exec connect connect_u open send_query'),
]);

function each(prefix: string, names: string): readonly string[] {
  return names.split(' ').map((name) => prefix + name);
}

function judgeCall(call: object): Verdict | undefined {
  const { funcname = [], args = [] } = call as { funcname?: readonly Node[]; args?: readonly Node[] };
  const name = lastName(funcname);
  if (name === 'set_config') return judgeSetConfig(args[0]);
  // ts_rewrite with three arguments only computes.
  if (name === 'ts_rewrite' && args.length === 3) return undefined;
  return judgeName(name);
}

// `(42::bigint).pg_advisory_lock` and `o.lo_unlink from unnest(…) as o` are calls as well, of functions of one argument.
// @see https://www.postgresql.org/docs/current/sql-expressions.html#FIELD-SELECTION
function judgeFields(node: object): Verdict | undefined {
  const { indirection, fields } = node as { indirection?: readonly Node[]; fields?: readonly Node[] };
  for (const field of indirection ?? fields?.slice(1) ?? []) {
    const verdict = judgeName(lastName([field]));
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function judgeName(name: string): Verdict | undefined {
  if (!refusedFunctions.has(name)) return undefined;
  return refuse(`the function ${name} is not allowed to an identity role`);
}

function lastName(parts: readonly Node[]): string {
  const part = parts.at(-1);
  return part !== undefined && 'String' in part ? (part.String.sval ?? '') : '';
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

/** A verdict that the role lacks the right. */
export function refuse(message: string): Verdict {
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
