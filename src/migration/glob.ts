/** What a path pattern starts with before its first wildcard: the folder to search, or all of a plain path. */
export function literalPrefix(pattern: string): string {
  const wildcard = pattern.search(/[*?[\]{}]|[!@+]\(/);
  if (wildcard < 0) return pattern;
  return pattern.slice(0, pattern.lastIndexOf('/', wildcard)) || '/';
}

/**
 * A glob as a regular expression over whole paths with forward slashes: `*`, `**`, `?`, `[a-z]`, `{a,b}` and
 * `@(a|b)`, `?(…)`, `*(…)`, `+(…)`, `!(…)`. Wildcards match no leading dot. Node 20 has no glob of its own.
 */
export function compileGlob(pattern: string): RegExp {
  return new RegExp(`^(?:${expandBraces(pattern).map(path).join('|')})$`);
}

// `a{b,c/d}` is `ab` and `ac/d`.
function expandBraces(pattern: string): readonly string[] {
  const braces = /\{([^{}]*,[^{}]*)\}/.exec(pattern);
  if (!braces) return [pattern];
  const [before, after] = [pattern.slice(0, braces.index), pattern.slice(braces.index + braces[0].length)];
  return (braces[1] ?? '').split(',').flatMap((choice) => expandBraces(before + choice + after));
}

function path(pattern: string): string {
  const parts = pattern.split('/');
  return parts
    .map((part, index) => {
      const last = index === parts.length - 1;
      if (part !== '**') return segment(part) + (last ? '' : '/');
      return last ? `${visible}[^/]*(?:/${visible}[^/]*)*` : `(?:${visible}[^/]+/)*`;
    })
    .join('');
}

const visible = '(?!\\.)';

function segment(part: string): string {
  let source = /^(?:[*?]|!\()/.test(part) ? visible : '';
  const closers: string[] = [];
  for (let index = 0; index < part.length; index += 1) {
    const character = part.charAt(index);
    if (part.charAt(index + 1) === '(' && '@?*+!'.includes(character)) {
      source += character === '!' ? '(?:(?!(?:' : '(?:';
      closers.push(character === '!' ? '!' : `)${character === '@' ? '' : character}`);
      index += 1;
    } else if (character === ')' && closers.length > 0) {
      const closer = closers.pop() ?? '';
      // What must not match is the alternative together with what follows it.
      source += closer === '!' ? `)${segment(part.slice(index + 1))}(?:/|$))[^/]*)` : closer;
    } else if (character === '*') {
      source += '[^/]*';
    } else if (character === '?') {
      source += '[^/]';
    } else if (character === '[') {
      const end = part.indexOf(']', index + 2);
      if (end < 0) {
        source += '\\[';
      } else {
        source += `[${part
          .slice(index + 1, end)
          .replace(/^!/, '^')
          .replaceAll('\\', '\\\\')}]`;
        index = end;
      }
    } else if (character === '|' && closers.length > 0) {
      source += '|';
    } else {
      source += character.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    }
  }
  return source;
}
