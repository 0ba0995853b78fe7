/** `DO` with a quote that the body does not contain. @see https://www.postgresql.org/docs/current/sql-do.html */
export function doBlock(body: string): string {
  let quote = '$$';
  for (let n = 1; body.includes(quote); n += 1) quote = `$body${n}$`;
  return `DO ${quote} ${body} ${quote}`;
}
