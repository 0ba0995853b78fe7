import { answerTo } from '../http/error-body.ts';
import { MalformedInputError } from './client-input.ts';
import type { ErrorFields } from './messages.ts';
import { ProtocolVersionError } from './startup.ts';

/** What a client is told whose session cannot begin or go on: what a request by HTTP would be told. */
export function fatalOf(error: unknown): ErrorFields {
  if (error instanceof MalformedInputError)
    return { severity: 'FATAL', code: '08P01', message: error.message };
  if (error instanceof ProtocolVersionError)
    return { severity: 'FATAL', code: '0A000', message: error.message };
  const { message, code, detail, hint } = answerTo(error).body;
  // Neon's code for whatever has none.
  return { severity: 'FATAL', code: code || 'XX000', message: message ?? '', detail, hint };
}
