import { compareText } from './table-name.ts';

/** The fields of a JSON value that ought to be an object; none when it is something else. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** A JSON value that ought to be a string; empty when it is something else. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** One text for values that differ in the order of their keys and in empty objects alone. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(
      Object.entries(part)
        .filter(([, inner]) => !isEmptyObject(inner))
        .toSorted(([a], [b]) => compareText(a, b)),
    );
  });
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
