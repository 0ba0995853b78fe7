import { scanSync } from 'libpg-query';

/** The parser's stack ends at some 3,000 levels of the narrowest kind. */
export const maxStatementDepth = 3_000;

// Below this length no statement can be deep: the densest nesting takes two characters a level.
const shortEnough = 2_000;

const token = { open: [40, 91], close: [41, 93], comma: 44, comments: [275, 276] } as const;

interface Level {
  /** Tokens since the last comma: each could be an operator whose left side is everything before it. */
  tokens: number;
  /** The deepest bracket since the last comma. */
  deepestChild: number;
  /** The deepest part between commas so far. */
  deepest: number;
}

/**
 * An upper bound of how deep the parse tree of a statement can be, from its tokens alone, without recursion.
 *
 * PostgreSQL's parser writes its tree recursively, and runs as WebAssembly: where the stack ends, it is left broken for
 * everybody after. Nothing goes to it that could be so deep.
 *
 * @returns Infinity when the text cannot even be split into tokens
 */
export function statementDepth(text: string): number {
  if (text.length <= shortEnough) return 0;
  let tokens;
  try {
    ({ tokens } = scanSync(text));
  } catch {
    return Infinity;
  }
  const levels: Level[] = [newLevel()];
  for (const { tokenType } of tokens) {
    const level = levels.at(-1) ?? newLevel();
    if (token.open.some((type) => type === tokenType)) {
      level.tokens += 1;
      levels.push(newLevel());
    } else if (token.close.some((type) => type === tokenType) && levels.length > 1) {
      levels.pop();
      const parent = levels.at(-1) ?? level;
      parent.deepestChild = Math.max(parent.deepestChild, depthOf(level) + 1);
    } else if (tokenType === token.comma) {
      level.deepest = depthOf(level);
      level.tokens = 0;
      level.deepestChild = 0;
    } else if (!token.comments.some((type) => type === tokenType)) {
      level.tokens += 1;
    }
  }
  // Brackets that never close are each inside the one before.
  return levels.reduceRight((inner, level) => depthOf(level) + inner, 0);
}

function newLevel(): Level {
  return { tokens: 0, deepestChild: 0, deepest: 0 };
}

function depthOf({ tokens, deepestChild, deepest }: Level): number {
  return Math.max(deepest, tokens + deepestChild);
}
