import { KeySetError } from '../errors.ts';
import { freshForMs } from './fresh-for.ts';

/** The part of `fetch` that is used here; a host may bring its own. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface DocumentRequest {
  /** What messages call what is fetched. */
  readonly document: 'key set' | 'discovery document';
  /** What messages call the provider. */
  readonly name: string;
  readonly url: string;
  readonly fetch: Fetch;
  /** For the whole exchange, the body included. Default: 5,000. */
  readonly timeoutMs?: number | undefined;
  /** Default: 65,536. */
  readonly maxBodyBytes?: number | undefined;
}

export interface FetchedDocument {
  /** The parsed JSON, of which nothing is known yet. */
  readonly content: unknown;
  /** For how long it may be used, by its own headers; `undefined` if they do not say. */
  readonly freshForMs: number | undefined;
}

/** How long anybody waits for one document, unless told otherwise. */
export const defaultTimeoutMs = 5_000;
const defaultMaxBodyBytes = 65_536;

/**
 * One GET of what a provider publishes about itself: no redirect, a deadline that holds even for a `fetch` that ignores its signal, and a limit
 * on the body that is enforced while it arrives (after decompression).
 *
 * @throws {KeySetError} ERR_KEY_SET_UNREACHABLE without an answer of status 200 in time; ERR_KEY_SET_INVALID if the
 * body is too large or not JSON
 */
export async function fetchDocument(request: DocumentRequest): Promise<FetchedDocument> {
  const signal = AbortSignal.timeout(request.timeoutMs ?? defaultTimeoutMs);
  const timeout = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(timedOut(request)), { once: true });
  });
  const { text, headers } = await Promise.race([download(request, signal), timeout]);
  return { content: parse(request, text), freshForMs: freshForMs(headers) };
}

async function download(
  request: DocumentRequest,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly headers: Headers }> {
  try {
    const response = await request.fetch(request.url, {
      method: 'GET',
      redirect: 'manual',
      signal,
      headers: { accept: 'application/json, application/jwk-set+json' },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      const redirected =
        response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400);
      throw unreachable(
        request,
        redirected
          ? 'answered with a redirect, which is not followed'
          : `answered with status ${response.status}`,
      );
    }
    return { text: await readText(request, response), headers: response.headers };
  } catch (error) {
    if (error instanceof KeySetError) throw error;
    if (signal.aborted) throw timedOut(request);
    // What fetch throws speaks of hosts and sockets; no token has been near it.
    throw unreachable(request, 'could not be fetched', error);
  }
}

async function readText(request: DocumentRequest, response: Response): Promise<string> {
  if (response.body === null) return '';
  const { maxBodyBytes = defaultMaxBodyBytes } = request;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let received = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    received += value.byteLength;
    if (received > maxBodyBytes) {
      await reader.cancel();
      throw new KeySetError(
        'ERR_KEY_SET_INVALID',
        `the ${request.document} of "${request.name}" is larger than ${maxBodyBytes} bytes`,
      );
    }
    text += decoder.decode(value, { stream: true });
  }
}

function parse(request: DocumentRequest, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the cause: V8 quotes the text in it.
    throw new KeySetError('ERR_KEY_SET_INVALID', `the ${request.document} of "${request.name}" is not JSON`);
  }
}

function timedOut(request: DocumentRequest): KeySetError {
  return unreachable(request, `did not arrive within ${request.timeoutMs ?? defaultTimeoutMs} ms`);
}

function unreachable(request: DocumentRequest, what: string, cause?: unknown): KeySetError {
  return new KeySetError(
    'ERR_KEY_SET_UNREACHABLE',
    `the ${request.document} of "${request.name}" ${what}`,
    cause === undefined ? {} : { cause },
  );
}
