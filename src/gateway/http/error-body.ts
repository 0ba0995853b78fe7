import pg from 'pg';

import { ResultTooLargeError } from '../../database/one-flush.ts';
import { isAuthorizeError, type ErrorCode } from '../../errors.ts';
import { Refusal } from '../refusal.ts';

/** An answer to a request that failed, as Neon's protocol has it: every key is there, null when it has no value. */
export interface ErrorAnswer {
  readonly status: number;
  readonly body: Readonly<Record<(typeof errorKeys)[number], string | null>>;
}

/** In the order in which Neon's proxy writes them. */
const errorKeys = [
  'message',
  'code',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'severity',
  'where',
  'table',
  'column',
  'schema',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
] as const;

// SQLSTATE class 28: whoever asks is not let in. @see https://www.postgresql.org/docs/current/errcodes-appendix.html
const invalidAuthorization = '28000';
const insufficientPrivilege = '42501';

/**
 * What to answer. An error of PostgreSQL goes out as it is. A refused token is 400 and not 401, because the driver reads
 * JSON from no other status. Anything unexpected is 500 without a word of what it was.
 */
export function answerTo(error: unknown): ErrorAnswer {
  if (error instanceof pg.DatabaseError) return answer(400, fieldsOf(error));
  if (error instanceof Refusal) {
    const { message, code, detail, hint, position } = error;
    return answer(error.status, {
      message,
      code,
      severity: code && 'ERROR',
      detail,
      hint,
      position: position?.toString(),
    });
  }
  if (error instanceof ResultTooLargeError)
    return answer(507, { message: error.message, code: '', severity: '' });
  if (isAuthorizeError(error)) {
    const { status, sqlState } = answerToCode(error.code);
    const severity = sqlState && 'ERROR';
    return answer(status, {
      message: error.message,
      code: sqlState,
      severity,
      detail: error.code,
      hint: error.hint,
    });
  }
  return answer(500, { message: 'the gateway got no answer from its database', code: '', severity: '' });
}

// 500: nothing that the person could do differently.
function answerToCode(code: ErrorCode): { readonly status: number; readonly sqlState: string } {
  if (code.startsWith('ERR_TOKEN_') || code === 'ERR_PROVIDER_UNKNOWN') {
    return { status: 400, sqlState: invalidAuthorization };
  }
  if (
    code === 'ERR_PROVIDER_ROLE' ||
    code === 'ERR_STATEMENT_REFUSED' ||
    code === 'ERR_CONNECTION_IN_DOUBT'
  ) {
    return { status: 400, sqlState: insufficientPrivilege };
  }
  // The key set cannot be had, which the person with the token can do nothing about but can be told of.
  if (code.startsWith('ERR_KEY_SET_')) return { status: 400, sqlState: invalidAuthorization };
  return { status: 500, sqlState: '' };
}

type Fields = Partial<Record<(typeof errorKeys)[number], string | undefined>>;

function fieldsOf(error: pg.DatabaseError): Fields {
  // DatabaseError has a field of the same name for each key.
  return Object.fromEntries(errorKeys.map((key) => [key, error[key]]));
}

function answer(status: number, fields: Fields): ErrorAnswer {
  const entries = errorKeys.map((key) => [key, fields[key] ?? null] as const);
  return { status, body: Object.fromEntries(entries) as ErrorAnswer['body'] };
}
