/**
 * For how long an answer may be used without asking again, by its own `Cache-Control` and `Age`: 0 if it is not to be
 * kept, `undefined` if it does not say.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9111#section-4.2
 */
export function freshForMs(headers: Headers): number | undefined {
  const directives = (headers.get('cache-control') ?? '').toLowerCase().split(',');
  let maxAge: number | undefined;
  for (const directive of directives) {
    const [name = '', value = ''] = directive.split('=', 2).map((part) => part.trim());
    if (name === 'no-store' || name === 'no-cache') return 0;
    // Said twice, the first counts; what is no number of seconds says nothing.
    if (name === 'max-age') maxAge ??= toSeconds(value.replace(/^"(.*)"$/, '$1'));
  }
  if (maxAge === undefined) return undefined;
  return Math.max(0, maxAge - (toSeconds(headers.get('age') ?? '') ?? 0)) * 1000;
}

function toSeconds(value: string): number | undefined {
  return /^\d+$/.test(value) ? Number(value) : undefined;
}
