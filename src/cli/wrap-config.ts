/**
 * The text of a drizzle.config.ts with its export wrapped in `withAuthorize()`, and everything else as it was. Undefined
 * unless the file has the plain form `export default defineConfig({ … })` at its end: other people's code is theirs.
 *
 * @param options the second argument of `withAuthorize()`, as text
 */
export function wrapConfig(text: string, options = ''): string | undefined {
  const calls = [...text.matchAll(/^export default defineConfig\(/gmu)];
  const [call] = calls;
  const imported = /^import \{[^}]*\bdefineConfig\b[^}]*\} from (['"])drizzle-kit\1(;?)/mu.exec(text);
  if (calls.length !== 1 || call === undefined || imported === null || text.includes('withAuthorize')) {
    return undefined;
  }
  const start = call.index + 'export default '.length;
  const end = endOfCall(text, call.index + call[0].length);
  // Nothing may follow but comments; else something was misread.
  if (end === undefined || !/^;?(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*$/u.test(text.slice(end))) return undefined;

  const [quote = "'", semicolon = ''] = imported.slice(1);
  const newLine = text.includes('\r\n') ? '\r\n' : '\n';
  return [
    text.slice(0, imported.index),
    `import { withAuthorize } from ${quote}drizzle-authorize/kit${quote}${semicolon}${newLine}`,
    text.slice(imported.index, start),
    `withAuthorize(${text.slice(start, end)}${options === '' ? '' : `, ${options}`})`,
    text.slice(end),
  ].join('');
}

/**
 * The reverse: the text of a drizzle.config.ts without `withAuthorize()` around what it exports, whatever options that had.
 * Undefined unless the file has the plain form `export default withAuthorize(defineConfig({ … }), …)` at its end.
 */
export function unwrapConfig(text: string): string | undefined {
  const calls = [...text.matchAll(/^export default withAuthorize\(\s*(?=defineConfig\()/gmu)];
  const imported = /^import \{ withAuthorize \} from (['"])drizzle-authorize\/kit\1;?\r?\n/mu.exec(text);
  const [call] = calls;
  if (calls.length !== 1 || call === undefined || imported === null) return undefined;
  const inner = call.index + call[0].length;
  const innerEnd = endOfCall(text, inner + 'defineConfig('.length);
  const end = endOfCall(text, call.index + 'export default withAuthorize('.length);
  if (innerEnd === undefined || end === undefined || !/^\s*[,)]/u.test(text.slice(innerEnd)))
    return undefined;
  if (!/^;?(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*$/u.test(text.slice(end))) return undefined;
  const plain = `${text.slice(0, call.index)}export default ${text.slice(inner, innerEnd)}${text.slice(end)}`;
  return plain.replace(imported[0], '');
}

/** The index behind the parenthesis that ends a call. A regular expression with one in it is misread. */
function endOfCall(text: string, from: number): number | undefined {
  const token = /\/\/[^\n]*|\/\*[^]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[^])*`|[()]/gu;
  token.lastIndex = from;
  let open = 1;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    if (found[0] === '(') open += 1;
    if (found[0] === ')') open -= 1;
    if (open === 0) return token.lastIndex;
  }
  return undefined;
}
