import { maxStatementDepth, statementDepth } from './statement-depth.ts';

/** What PostgreSQL's own parser shows of a statement. */
interface Judgement {
  /** Proved to leave nothing on its connection, unless the owner's functions do. */
  readonly isPlainRead: boolean;
  /** Its text holds no value that could be somebody's: whoever reads it learns what is asked, and not of whom. */
  readonly holdsNoValue: boolean;
}

/** Of a text, for a database whose identity functions are in the schema. */
export type StatementJudge = (text: string, authSchema: string) => Judgement;

/** Longer ones are not worth the parser's time. */
const maxLength = 16_384;

/** No tree shows a comment, and tracing writes into them who asks. Inside quotes it is none, which does no harm. */
const comment = /--|\/\*/u;

const unknown: Judgement = { isPlainRead: false, holdsNoValue: false };

let loaded: Promise<StatementJudge> | undefined;

/**
 * Judges statements by their trees.
 *
 * A plain read is one SELECT with nothing in it but tables, columns, values, operators and functions of
 * {@link plainFunctions}. It takes no lock that outlives it, opens no cursor, moves no sequence, makes no table and seeds
 * no random numbers. What is not known to be plain is not: an unknown kind of node, a function by another name or of another
 * schema. Two forms that call a function without looking like it are left out with their node:
 * `(42::bigint).pg_advisory_lock` (A_Indirection) and `o.pg_advisory_lock from abs(42) as o` (RangeFunction).
 *
 * Nor is one with a backslash: what that means is up to the server's `standard_conforming_strings`.
 *
 * Functions of the owner's are outside the tree: in policies, views, casts, operators, domains, and as `row.function`.
 * Where one of them could leave something, no reset is spared; see reads-leave-traces.ts.
 *
 * The parser is loaded by the first call.
 */
export function loadStatementJudge(): Promise<StatementJudge> {
  loaded ??= (async () => {
    const { loadModule, parseSync } = await import('libpg-query');
    await loadModule();
    return (text, authSchema) => {
      if (text.length > maxLength || text.includes('\0') || statementDepth(text) > maxStatementDepth) {
        return unknown;
      }
      try {
        const [statement, ...others] = parseSync(text).stmts ?? [];
        if (others.length > 0 || statement?.stmt === undefined) return unknown;
        const { isPlainRead, holdsNoValue } = judge(statement.stmt, authSchema);
        return {
          isPlainRead: isPlainRead && !text.includes('\\'),
          holdsNoValue: holdsNoValue && !comment.test(text),
        };
      } catch {
        return unknown;
      }
    };
  })();
  return loaded;
}

const plainNodes: ReadonlySet<string> = new Set(
  (
    'SelectStmt ResTarget ColumnRef A_Star A_Const ParamRef String Integer Float Boolean BitString List A_Expr BoolExpr ' +
    'NullTest BooleanTest TypeCast CoalesceExpr MinMaxExpr CaseExpr CaseWhen SubLink RowExpr A_ArrayExpr FuncCall ' +
    'SQLValueFunction CollateClause RangeVar RangeSubselect JoinExpr CommonTableExpr SortBy WindowDef GroupingSet ' +
    'GroupingFunc LockingClause'
  ).split(' '),
);

/** Functions of PostgreSQL that compute and do nothing else, in every one of their forms. */
export const plainFunctions: ReadonlySet<string> = new Set(
  (
    'count sum min max avg bool_and bool_or every array_agg string_agg json_agg jsonb_agg json_object_agg ' +
    'jsonb_object_agg json_build_array json_build_object jsonb_build_array jsonb_build_object to_json to_jsonb ' +
    'row_to_json array_to_json array_length cardinality array_position unnest lower upper initcap length char_length ' +
    'octet_length btrim ltrim rtrim substr substring position strpos left right concat concat_ws replace md5 abs ceil ' +
    'ceiling floor round trunc mod power sqrt sign now date_trunc date_part extract age to_char to_date to_timestamp ' +
    'make_date row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value'
  ).split(' '),
);

const identityFunctions: ReadonlySet<string> = new Set(['user_id', 'uid', 'session', 'jwt', 'claim']);

// With a stack of its own, because a tree can be deeper than ours.
function judge(root: object, authSchema: string): Judgement {
  let isPlainRead = Object.keys(root).join() === 'SelectStmt';
  let holdsNoValue = true;
  const rest: object[] = [root];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    for (const [key, value] of Object.entries(next)) {
      // Kinds of nodes begin with a capital, their fields do not.
      if ((/^[A-Z]/u.test(key) && !plainNodes.has(key)) || key === 'intoClause') isPlainRead = false;
      if (typeof value !== 'object' || value === null) continue;
      if (key === 'FuncCall' && !isPlainCall(value, authSchema)) isPlainRead = false;
      if (key === 'A_Const') holdsNoValue &&= isNobodys(value);
      else rest.push(value);
    }
  }
  return { isPlainRead, holdsNoValue };
}

interface Constant {
  readonly isnull?: true;
  readonly boolval?: object;
  readonly ival?: { readonly ival?: number };
  readonly sval?: { readonly sval?: string };
}

/** What stands in the text of a query whoever asks, such as `'[]'::json`, `is true` and `limit 1`. */
function isNobodys({ isnull, boolval, ival, sval }: Constant): boolean {
  if (isnull !== undefined || boolval !== undefined) return true;
  if (ival !== undefined) return [0, 1].includes(ival.ival ?? 0);
  return sval !== undefined && ['', '[]', '{}'].includes(sval.sval ?? '');
}

function isPlainCall(call: object, authSchema: string): boolean {
  const { funcname = [] } = call as { funcname?: readonly { String?: { sval?: string } }[] };
  const names = funcname.map((part) => part.String?.sval ?? '');
  const name = names.at(-1) ?? '';
  if (names.length === 1) return plainFunctions.has(name);
  if (names.length !== 2) return false;
  return names[0] === 'pg_catalog'
    ? plainFunctions.has(name)
    : names[0] === authSchema && identityFunctions.has(name);
}
