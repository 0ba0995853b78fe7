/**
 * The text of a drizzle.config.ts with its export wrapped in `withAuthorize()`, and everything else as it was. Undefined
 * unless the file has the plain form `export default defineConfig({ … })` at its end: other people's code is theirs.
 */
export function wrapConfig(text: string): string | undefined {
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
    `withAuthorize(${text.slice(start, end)})`,
    text.slice(end),
  ].join('');
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
