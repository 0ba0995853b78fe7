/** Freezes a value and all that is in it. With a list instead of recursion: how deep claims are nested is up to the issuer. */
export function deepFreeze<T extends object>(value: T): T {
  const open: object[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    Object.freeze(next);
    const children: readonly unknown[] = Object.values(next);
    for (const child of children) {
      if (typeof child === 'object' && child !== null) open.push(child);
    }
  }
  return value;
}
