/**
 * An option that nobody reads is a check that somebody believes in: `audiences: 'app'` for `audience: 'app'` would
 * switch the check off without a word.
 */
export function refuseUnknownOptions(caller: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${caller}() takes an object of options`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new TypeError(`${caller}() has no option "${name}"; its options are ${known.join(', ')}`);
    }
  }
}
