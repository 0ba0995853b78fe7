import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { lineOfFolder, kitLine } from '../../../src/migration/kit-line.ts';
import { assertOneLine, readMigrationsFolder } from '../../../src/migration/migrations-folder.ts';
import { preludeState, renderHeader } from '../../../src/migration/migration-state.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'migrations-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

const origin = '00000000-0000-0000-0000-000000000000';

interface Noted {
  readonly sql?: string;
  readonly prevIds?: readonly string[];
  readonly deltas?: readonly unknown[];
}

/** A migration as drizzle-kit 1.0 keeps it; its id is its tag. */
function note(tag: string, { sql = 'SELECT 1;', prevIds = [], deltas = [] }: Noted = {}): void {
  const header = { version: '9', dialect: 'postgres', id: tag, footprints: [] };
  write(`${tag}/migration.sql`, sql);
  write(
    `${tag}/snapshot.json`,
    JSON.stringify(
      prevIds.length === 0
        ? { type: 'base', ...header, prevIds: [origin], ddl: deltas }
        : { type: 'diff', ...header, prevIds, deltas },
    ),
  );
}

const second = kitLine('1.0.0-rc.5');

describe('the line of drizzle-kit', () => {
  it.each(['0.31.11', '1.0.0-rc.5', '1.0.0-rc.5-5935859', '1.0.0-rc.6', '1.0.0', '1.2.3'])(
    '%s is one of two',
    (version) => {
      expect(kitLine(version).name).toBe(version.startsWith('0') ? '0.31' : '1.0');
    },
  );

  it.each(['0.30.6', '0.32.0', '1.0.0-beta.20', '1.0.0-rc.1', '1.0.0-rc.4-ca0f029', '2.0.0'])(
    '%s is none that anybody has tried',
    (version) => {
      expect(() => kitLine(version)).toThrow(
        `migrations need drizzle-kit 0.31, or 1.0 from 1.0.0-rc.5 on; ${version} is not supported`,
      );
    },
  );

  it('is told when the other one has written the folder', () => {
    expect(lineOfFolder(folder)).toBeUndefined();
    note('20260101000000_first');
    expect(lineOfFolder(folder)).toBe(kitLine('1.0.0-rc.5'));
    expect(() => readMigrationsFolder(folder, kitLine('0.31.11'))).toThrow(
      `${folder} holds migrations of drizzle-kit 1.0`,
    );
    write('meta/_journal.json', '{ "entries": [] }');
    expect(() => readMigrationsFolder(folder, second)).toThrow(
      `${folder} holds migrations of drizzle-kit 0.31`,
    );
  });
});

describe('a folder of drizzle-kit 1.0', () => {
  const row = (entityType: string, fields: object): unknown => ({ entityType, ...fields });
  const create = (entityType: string, fields: object): unknown => ({
    op: 'create',
    row: row(entityType, fields),
  });
  const key = (entityType: string, ...names: readonly string[]): string =>
    `${entityType}\0${JSON.stringify(names)}`;

  it('is read in the order of names, each migration with the schema after it', () => {
    note('20260101000002_c', {
      prevIds: ['20260101000001_b'],
      deltas: [
        { op: 'rename', key: key('schemas', 'app'), set: { name: 'new' } },
        { op: 'rename', key: key('tables', 'new', 'todos'), set: { name: 'tasks' } },
        {
          op: 'alter',
          key: key('policies', 'new', 'tasks', 'view'),
          set: { as: 'RESTRICTIVE' },
        },
        { op: 'drop', key: key('columns', 'new', 'tasks', 'title') },
      ],
    });
    note('20260101000000_a', {
      deltas: [
        row('schemas', { name: 'app' }),
        row('tables', { schema: 'app', name: 'todos', isRlsEnabled: true }),
        row('columns', { schema: 'app', table: 'todos', name: 'id', type: 'serial', identity: null }),
        row('columns', { schema: 'app', table: 'todos', name: 'title', type: 'text', identity: null }),
        row('policies', { schema: 'app', table: 'todos', name: 'view', as: 'PERMISSIVE' }),
      ],
    });
    note('20260101000001_b', {
      prevIds: ['20260101000000_a'],
      deltas: [create('policies', { schema: 'app', table: 'objects', name: 'look', as: 'PERMISSIVE' })],
    });

    const { migrations } = readMigrationsFolder(folder, second);
    expect(migrations.map(({ tag }) => tag.slice(-1))).toEqual(['a', 'b', 'c']);
    expect(migrations.map(({ snapshot }) => [...snapshot.tables.keys()])).toEqual([
      ['"app"."todos"'],
      ['"app"."todos"'],
      ['"new"."tasks"'],
    ]);
    expect(migrations[2]?.snapshot.tables.get('"new"."tasks"')).toMatchObject({
      schema: 'new',
      name: 'tasks',
      columns: ['id'],
      policies: [{ name: 'view', restrictive: true }],
      rowSecurity: true,
      sequences: true,
    });
    // drizzle-kit does not know the table of a linked policy, and lets it where it was.
    expect([...(migrations[2]?.snapshot.linked.keys() ?? [])]).toEqual(['"app"."objects"']);
    expect(migrations[2]?.snapshot.outline).toEqual([
      'policy look on "app"."objects"',
      'policy view on "new"."tasks"',
      'schema new',
      'table "new"."tasks" id',
    ]);
  });

  it('adds what the other branch has done after a merge', () => {
    const table = (name: string): unknown => create('tables', { schema: 'public', name });
    note('20260101000000_a');
    note('20260101000001_b', { prevIds: ['20260101000000_a'], deltas: [table('b')] });
    note('20260101000002_c', { prevIds: ['20260101000000_a'], deltas: [table('c')] });
    note('20260101000003_d', { prevIds: ['20260101000002_c', '20260101000001_b'], deltas: [table('d')] });
    const { migrations } = readMigrationsFolder(folder, second);
    expect(migrations.map(({ snapshot }) => [...snapshot.tables.values()].map(({ name }) => name))).toEqual([
      [],
      ['b'],
      ['c'],
      ['b', 'c', 'd'],
    ]);
  });

  it('may branch before the first migration of ours, and not after it', () => {
    const sql = `${renderHeader(preludeState(['authenticated']), [])}\nSELECT 1;\n`;
    note('20260101000000_a');
    note('20260101000001_b', { prevIds: ['20260101000000_a'] });
    note('20260101000002_c', { prevIds: ['20260101000000_a'] });
    note('20260101000003_d', { prevIds: ['20260101000002_c', '20260101000001_b'], sql });
    note('20260101000004_e', { prevIds: ['20260101000003_d'] });
    expect(() => assertOneLine(readMigrationsFolder(folder, second), second)).not.toThrow();
    note('20260101000005_f', { prevIds: ['20260101000003_d'] });
    expect(() => assertOneLine(readMigrationsFolder(folder, second), second)).toThrow(
      '20260101000005_f/migration.sql was not made on top of',
    );
  });

  it('may hold SQL that drizzle-kit knows nothing of', () => {
    note('20260101000000_a', { deltas: [row('tables', { schema: 'public', name: 'todos' })] });
    write('20260101000001_b/migration.sql', 'SELECT 1;');
    note('20260101000002_c', { prevIds: ['20260101000000_a'] });
    const { migrations } = readMigrationsFolder(folder, second);
    expect(new Set(migrations.map(({ snapshot }) => snapshot.content)).size).toBe(1);
    expect(migrations.every(({ inLine }) => inLine)).toBe(true);
  });

  it.each([
    ['no JSON', '{', 'is damaged'],
    ['no snapshot', '[]', 'is of format undefined'],
    ['a snapshot of before', '{ "version": "8" }', 'is of format "8", and not of format 9'],
    [
      'a change of nothing',
      JSON.stringify({ version: '9', id: 'x', type: 'diff', prevIds: [origin] }),
      'damaged',
    ],
    [
      'an unknown parent',
      JSON.stringify({ version: '9', id: 'x', prevIds: ['y'], deltas: [] }),
      'is damaged',
    ],
  ])('is refused with %s', (_what, text, message) => {
    write('20260101000000_a/migration.sql', 'SELECT 1;');
    write('20260101000000_a/snapshot.json', text);
    expect(() => readMigrationsFolder(folder, second)).toThrow(message);
  });

  it('is refused without the SQL of a migration', () => {
    note('20260101000000_a');
    rmSync(join(folder, '20260101000000_a/migration.sql'));
    expect(() => readMigrationsFolder(folder, second)).toThrow('migration.sql is missing or cannot be read');
  });
});
