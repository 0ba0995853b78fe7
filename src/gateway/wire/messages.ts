/**
 * The messages of the PostgreSQL protocol that the gateway writes itself.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** Fields of an error as a client of Postgres knows them. */
export interface ErrorFields {
  readonly severity: 'ERROR' | 'FATAL';
  readonly code: string;
  readonly message: string;
  readonly detail?: string | null | undefined;
  readonly hint?: string | null | undefined;
  readonly position?: string | number | null | undefined;
}

export function errorResponse({ severity, code, message, detail, hint, position }: ErrorFields): Buffer {
  const fields = { S: severity, V: severity, C: code, M: message, D: detail, H: hint, P: position };
  const written = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([key, value]) => Buffer.concat([Buffer.from(key), text(String(value))]));
  return frame('E', ...written, Buffer.from([0]));
}

export const authenticationOk = frame('R', int32(0));
export const authenticationCleartextPassword = frame('R', int32(3));

/** Says that 3.0 is spoken, whatever later minor version or option was asked for. */
export function negotiateProtocolVersion(unknownOptions: readonly string[]): Buffer {
  return frame('v', int32(protocol30), int32(unknownOptions.length), ...unknownOptions.map(text));
}

export function parameterStatus(name: string, value: string): Buffer {
  return frame('S', text(name), text(value));
}

export function backendKeyData(processId: number, secret: number): Buffer {
  return frame('K', int32(processId), int32(secret));
}

export const readyForQuery = frame('Z', Buffer.from('I'));

const protocol30 = 196_608;

export function parse(name: string, query: string): Buffer {
  return frame('P', text(name), text(query), int16(0));
}

/** Binds parameters as text to the unnamed portal, whose columns come as text. */
export function bind(statement: string, values: readonly string[]): Buffer {
  const written = values.flatMap((value) => {
    const bytes = Buffer.from(value);
    return [int32(bytes.length), bytes];
  });
  return frame('B', text(''), text(statement), int16(0), int16(values.length), ...written, int16(0));
}

export function closeStatement(name: string): Buffer {
  return frame('C', Buffer.from('S'), text(name));
}

export const describePortal = frame('D', Buffer.from('P\0'));
export const execute = frame('E', text(''), int32(0));
export const sync = frame('S');
export const terminate = frame('X');

function frame(type: string, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([Buffer.from(type), int32(length), ...parts]);
}

/** A text as the protocol ends it. What is sent by us has no NUL; should one be there, the text ends before it. */
function text(value: string): Buffer {
  const [first = ''] = value.split('\0');
  return Buffer.from(`${first}\0`);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
