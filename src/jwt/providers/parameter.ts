import { isSecureUrl } from '../secure-url.ts';

/** A parameter that has been checked: what the provider calls its customer, tenant or application. */
interface Shape {
  readonly pattern: RegExp;
  /** What messages say was expected, with an example. */
  readonly expected: string;
}

/** @throws {TypeError} naming the option and what was expected, never what was given */
export function toMatching(caller: string, option: string, value: unknown, shape: Shape): string {
  if (typeof value === 'string' && shape.pattern.test(value)) return value;
  throw new TypeError(`${caller}(): "${option}" must be ${shape.expected}`);
}

/** A host name alone, in lower case. @throws {TypeError} */
export function toHost(caller: string, option: string, value: unknown, example: string): string {
  return toMatching(caller, option, value, {
    pattern: /^(?=.{4,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/,
    expected: `a host name such as ${example}, in lower case, without "https://" in front and without a slash`,
  });
}

/**
 * An https URL as issuers are made from: in its normal form, without a slash at the end. http is for loopback
 * addresses, where development servers are.
 *
 * @throws {TypeError}
 */
export function toBaseUrl(caller: string, option: string, value: unknown, example: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  // `href` of a bare origin ends in a slash that issuers do not have; it has credentials, query and fragment as well.
  const normal = url?.pathname === '/' ? url.origin : `${url?.origin}${url?.pathname}`;
  if (typeof value !== 'string' || url === undefined || value !== normal || value.endsWith('/')) {
    throw new TypeError(
      `${caller}(): "${option}" must be a URL such as ${example}, without a slash at its end and without a query`,
    );
  }
  if (!isSecureUrl(url)) {
    throw new TypeError(`${caller}(): "${option}" must be https; http is for loopback addresses only`);
  }
  return value;
}

/** Like {@link toBaseUrl}, without a path. @throws {TypeError} */
export function toOrigin(caller: string, option: string, value: unknown, example: string): string {
  const url = toBaseUrl(caller, option, value, example);
  if (url === new URL(url).origin) return url;
  throw new TypeError(`${caller}(): "${option}" must be an origin such as ${example}, without a path`);
}

/** One text or several, none of them empty. @throws {TypeError} */
export function toTexts(caller: string, option: string, value: unknown, expected: string): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const texts = list.filter((text): text is string => typeof text === 'string' && text !== '');
  if (texts.length === 0 || texts.length !== list.length) {
    throw new TypeError(`${caller}(): "${option}" must be ${expected}, or a list of such`);
  }
  return texts;
}

/** A switch; `undefined` is off. @throws {TypeError} */
export function toSwitch(caller: string, option: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value === true;
  throw new TypeError(`${caller}(): "${option}" must be true or false`);
}

/** What `sub` and other ids look like where they are UUIDs. */
export const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

/** `typ` in the header of an access token: none, `JWT`, or what RFC 9068 §2.1 says. Its case has no meaning. */
export const accessTokenType = /^(?:jwt|(?:application\/)?at\+jwt)$/i;
