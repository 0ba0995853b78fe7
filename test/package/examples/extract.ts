/** A piece of TypeScript out of the documentation. */
export interface Example {
  readonly file: string;
  /** Where its code begins, counted from 1. */
  readonly line: number;
  readonly code: string;
}

/** Every fenced block of a Markdown file that says it is `ts`. */
export function markdownExamples(file: string, markdown: string): readonly Example[] {
  return fencedBlocks(markdown)
    .filter(({ language }) => language === 'ts')
    .map(({ line, code }) => ({ file, line, code }));
}

/** What the fenced blocks of a Markdown file say they are, each once; '' for nothing. */
export function fencedLanguages(markdown: string): readonly string[] {
  return [...new Set(fencedBlocks(markdown).map(({ language }) => language))].toSorted();
}

function fencedBlocks(markdown: string): readonly { language: string; line: number; code: string }[] {
  const fenced = /^(?<indent> *)```(?<language>[^\n`]*)\n(?<code>[\s\S]*?)^\k<indent>```$/gmu;
  return [...markdown.matchAll(fenced)].map(({ index, groups: { language = '', code = '' } = {} }) => ({
    language: language.trim(),
    line: lineAt(markdown, index) + 1,
    code,
  }));
}

/** Every `@example` in the docblocks of a source file, each up to the next tag or the end of its block. */
export function docblockExamples(file: string, source: string): readonly Example[] {
  const example = /^ *\* @example *\n(?<lines>(?: *\*(?! @|\/).*\n)+)/gmu;
  return [...source.matchAll(example)].map(({ index, groups: { lines = '' } = {} }) => ({
    file,
    line: lineAt(source, index) + 1,
    code: lines.replaceAll(/^ *\* ?/gmu, ''),
  }));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
