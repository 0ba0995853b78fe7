import { doBlock } from '../database/do-block.ts';
import { quoteLiteral } from '../database/quote-literal.ts';
import { joinStatements, splitStatements } from './statements.ts';

// What `drizzle-kit pull` writes, on both lines: all of it is a comment, and its own migrator cuts that in pieces.
const pulled =
  /^-- Current sql file was generated after introspecting the database\r?\n[^]*?\/\*([^]*)\*\/\s*$/;
const createTable = /^CREATE TABLE (?:IF NOT EXISTS )?((?:"(?:[^"]|"")+"\.)?"(?:[^"]|"")+")/;

/**
 * The migration that `drizzle-kit pull` has written, so that it can be applied everywhere: it makes what was found in a
 * database in which none of the tables is there, such as a new one, and does nothing in any other.
 *
 * @returns undefined when the file is another one, or was changed by hand
 */
export function applicablePull(sql: string): string | undefined {
  const commented = pulled.exec(sql)?.[1];
  if (commented === undefined) return undefined;
  const statements = splitStatements(commented);
  const tables = statements.flatMap((statement) => createTable.exec(statement)?.[1] ?? []);
  if (tables.length === 0) return undefined;
  const names = tables.map((name) => quoteLiteral(name.includes('"."') ? name : `"public".${name}`));
  return `-- What drizzle-kit pull found: made where none of these tables is there.\n${joinStatements([
    doBlock(`BEGIN
  IF EXISTS (SELECT FROM unnest(ARRAY[${names.join(', ')}]) AS name WHERE to_regclass(name) IS NOT NULL) THEN
    RETURN;
  END IF;
  ${statements.map((statement) => `${statement};`).join('\n  ')}
END`),
  ])}`;
}
