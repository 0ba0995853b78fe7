/**
 * True where one request may wait for work that another request began. On Cloudflare Workers it may not: a promise
 * that hangs on another request's input or output never settles, and what nobody waits for is cut off with the
 * response.
 *
 * @see https://developers.cloudflare.com/workers/observability/errors/#cannot-perform-io-on-behalf-of-a-different-request
 */
export const sharesWork: boolean = globalThis.navigator?.userAgent !== 'Cloudflare-Workers';
