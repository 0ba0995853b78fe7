/**
 * The first keyword of a statement, in lower case, behind white space, comments and opening brackets; empty when there
 * is none.
 *
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-COMMENTS
 */
export function firstKeyword(text: string): string {
  let position = 0;
  for (;;) {
    const blank = /[\s(;]*/uy;
    blank.lastIndex = position;
    position += blank.exec(text)?.[0].length ?? 0;
    if (text.startsWith('--', position)) {
      const end = text.slice(position).search(/[\n\r]/u);
      if (end === -1) return '';
      position += end + 1;
    } else if (text.startsWith('/*', position)) {
      position = endOfComment(text, position);
    } else {
      const word = /[a-z_]+/iuy;
      word.lastIndex = position;
      return word.exec(text)?.[0].toLowerCase() ?? '';
    }
  }
}

/** Comments nest in PostgreSQL. */
function endOfComment(text: string, start: number): number {
  let depth = 0;
  for (let position = start; position < text.length;) {
    if (text.startsWith('/*', position)) {
      depth += 1;
      position += 2;
    } else if (text.startsWith('*/', position)) {
      depth -= 1;
      position += 2;
      if (depth === 0) return position;
    } else {
      position += 1;
    }
  }
  return text.length;
}
