/** A table in Markdown, as wide as it has to be. */
export function markdownTable(heads: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = heads.map((_, column) =>
    Math.max(...[heads, ...lines].map((line) => line[column]?.length ?? 0)),
  );
  const written = (line: readonly string[]): string =>
    `| ${widths.map((width, column) => (line[column] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [written(heads), rule, ...lines.map(written)].join('\n');
}
