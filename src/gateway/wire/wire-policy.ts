import { loadModule, type Node } from 'libpg-query';

import { firstKeyword } from '../../database/first-keyword.ts';
import {
  judgeDataStatement,
  judgeTree,
  parseStatements,
  refuse,
  rememberByText,
  type ParsedStatement,
  type Verdict,
} from '../statement-policy.ts';

/** What running a statement does to the session, as far as the gateway has to know. */
export type StatementEffect =
  | 'none'
  /** Begins a transaction. Nothing may run in it before its isolation level is set. */
  | 'begin'
  | 'set transaction'
  /** Ends a transaction; with AND CHAIN the next begins at once. */
  | 'end'
  | 'end and chain'
  | 'roll back to savepoint'
  /** Clears settings, and the identity with them. */
  | 'reset all'
  /** Clears the prepared statements too; refuses to run behind anything else in its transaction. */
  | 'discard all'
  | 'deallocate all';

/** A statement that may run. */
export interface AllowedStatement {
  readonly text: string;
  readonly effect: StatementEffect;
  /** For whoever watches. */
  readonly command: string;
  /** The prepared statement that it runs by name. */
  readonly executes?: string;
}

/** What a text may do: its statements in order, or the one verdict on all of it. */
type Judged = { readonly statements: readonly AllowedStatement[] } | { readonly verdict: Verdict };

/** What a text is, for whoever watches: its first word, in capitals. */
export function commandOf(text: string): string {
  return firstKeyword(text).toUpperCase();
}

/** Judges a text as a session may send it. */
export type WirePolicy = (text: string) => Judged;

/** Statements and names of ours begin so; no client may touch them. */
export const ourPrefix = 'drizzle-authorize';

/**
 * The policy for sessions: what the gateway allows a single request, and what a session has beyond one. These are
 * transactions, settings that have no effect outside it, prepared statements and cursors.
 *
 * A setting passes when it is known to do no harm. Among the others are those that let a statement mean something else to
 * Postgres than it does to our parser (`standard_conforming_strings`, `client_encoding`), that lift a limit
 * (`statement_timeout`), or that change the role.
 */
export async function createWirePolicy(): Promise<WirePolicy> {
  await loadModule();
  return rememberByText(judgeText);
}

function judgeText(text: string): Judged {
  const parsed = parseStatements(text);
  if ('message' in parsed) return { verdict: parsed };
  const statements: AllowedStatement[] = [];
  for (const statement of parsed) {
    const judged = judgeStatement(statement);
    if ('message' in judged) return { verdict: judged };
    const own = statement.text ?? text;
    statements.push({ effect: 'none', command: commandOf(own), text: own, ...judged });
  }
  return { statements };
}

type Change = Pick<Partial<AllowedStatement>, 'effect' | 'executes'>;

const noChange: Change = {};

function judgeStatement(statement: ParsedStatement): Change | Verdict {
  const { kind, tree } = statement;
  switch (kind) {
    case 'TransactionStmt':
      return judgeTransaction(tree as { kind?: string; chain?: boolean });
    case 'VariableSetStmt':
      return judgeSetting(tree as Setting);
    case 'VariableShowStmt':
    case 'FetchStmt':
    case 'ClosePortalStmt':
      return noChange;
    case 'DiscardStmt':
      return (tree as { target?: string }).target === 'DISCARD_ALL' ? { effect: 'discard all' } : noChange;
    case 'PrepareStmt':
      return judgeName(tree) ?? judgeInner(kind, tree) ?? noChange;
    case 'ExecuteStmt':
      return judgeName(tree) ?? judgeTree(kind, tree) ?? { executes: (tree as { name?: string }).name ?? '' };
    case 'DeallocateStmt':
      return (
        judgeName(tree) ??
        ((tree as { isall?: boolean }).isall === true ? { effect: 'deallocate all' } : noChange)
      );
    case 'DeclareCursorStmt':
      return judgeCursor(tree as { options?: number }) ?? judgeInner(kind, tree) ?? noChange;
    default:
      return judgeDataStatement(statement) ?? noChange;
  }
}

function judgeTransaction({ kind, chain }: { kind?: string; chain?: boolean }): Change | Verdict {
  switch (kind) {
    case 'TRANS_STMT_BEGIN':
    case 'TRANS_STMT_START':
      return { effect: 'begin' };
    case 'TRANS_STMT_COMMIT':
      return { effect: chain === true ? 'end and chain' : 'end' };
    case 'TRANS_STMT_ROLLBACK':
      return { effect: chain === true ? 'end and chain' : 'end' };
    case 'TRANS_STMT_SAVEPOINT':
      return noChange;
    case 'TRANS_STMT_RELEASE':
      return noChange;
    case 'TRANS_STMT_ROLLBACK_TO':
      return { effect: 'roll back to savepoint' };
    default:
      return refuse('a two-phase transaction is not allowed to an identity role');
  }
}

interface Setting {
  readonly kind?: string;
  readonly name?: string;
}

/** Settings that change how a session's own values look, or its own transactions, and nothing else. */
export const harmlessSettings: ReadonlySet<string> = new Set(
  (
    'application_name datestyle intervalstyle timezone bytea_output extra_float_digits lc_monetary lc_numeric lc_time ' +
    'xmloption xmlbinary client_min_messages default_transaction_isolation default_transaction_read_only ' +
    'default_transaction_deferrable transaction_isolation transaction_read_only transaction_deferrable'
  ).split(' '),
);

function judgeSetting({ kind, name = '' }: Setting): Change | Verdict {
  if (kind === 'VAR_RESET_ALL') return { effect: 'reset all' };
  const command = kind === 'VAR_RESET' ? 'RESET' : 'SET';
  if (kind === 'VAR_SET_MULTI') {
    if (name === 'TRANSACTION') return { effect: 'set transaction' };
    if (name === 'SESSION CHARACTERISTICS') return noChange;
    return refuse(`SET ${name} is not allowed to an identity role`);
  }
  // Names of settings know no case; a custom one has a dot and no effect of its own.
  const setting = name.toLowerCase();
  const isAllowed = setting.includes('.') ? !setting.startsWith('authorize.') : harmlessSettings.has(setting);
  if (isAllowed) return noChange;
  // What is not a word could be anything.
  const named = /^[a-z_.]{1,63}$/u.test(setting) ? ` ${setting}` : '';
  return refuse(`${command}${named} is not allowed to an identity role`);
}

function judgeName(tree: unknown): Verdict | undefined {
  const { name = '' } = tree as { name?: string };
  return name.startsWith(ourPrefix) ? refuse('a statement of the gateway is not for its clients') : undefined;
}

function judgeInner(kind: string, tree: unknown): Verdict | undefined {
  const { query = {} } = tree as { query?: Partial<Node> };
  const [inner] = Object.entries(query).map(([key, value]) => ({ kind: key, tree: value as unknown }));
  return (inner && judgeDataStatement(inner)) ?? judgeTree(kind, tree);
}

// @see parsenodes.h, CURSOR_OPT_HOLD
const holdOption = 0x20;

function judgeCursor({ options = 0 }: { options?: number }): Verdict | undefined {
  return (options & holdOption) === 0
    ? undefined
    : refuse('DECLARE CURSOR WITH HOLD is not allowed to an identity role');
}
