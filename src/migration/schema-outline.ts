import { is } from 'drizzle-orm';
import {
  getMaterializedViewConfig,
  getViewConfig,
  isPgEnum,
  isPgMaterializedView,
  isPgSchema,
  isPgSequence,
  isPgView,
  PgRole,
} from 'drizzle-orm/pg-core';

import type { AccessModel } from './access-model.ts';
import type { KitLine } from './kit-line.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';

/** The names of everything in a schema of which drizzle-kit takes note, in order. */
export type SchemaOutline = readonly string[];

interface OutlinedTable extends TableName {
  readonly columns: readonly string[];
  readonly policies: readonly { readonly name: string }[];
}

export interface OutlineParts {
  readonly tables: readonly OutlinedTable[];
  /** Policies of tables that are not among these. */
  readonly linked: readonly Omit<OutlinedTable, 'columns'>[];
  readonly roles: readonly string[];
  readonly schemas: readonly string[];
  readonly enums: readonly TableName[];
  readonly sequences: readonly TableName[];
  readonly views: readonly TableName[];
}

export function outline(parts: OutlineParts): SchemaOutline {
  const places = (kind: string, names: readonly TableName[]): readonly string[] =>
    names.map((name) => `${kind} ${qualifiedName(name)}`);
  const lines = [
    ...parts.tables.map(
      (table) => `table ${qualifiedName(table)} ${table.columns.toSorted(compareText).join()}`,
    ),
    ...[...parts.tables, ...parts.linked].flatMap((table) =>
      table.policies.map(({ name }) => `policy ${name} on ${qualifiedName(table)}`),
    ),
    ...parts.roles.map((role) => `role ${role}`),
    ...parts.schemas.map((schema) => `schema ${schema}`),
    ...places('enum', parts.enums),
    ...places('sequence', parts.sequences),
    ...places('view', parts.views),
  ];
  return [...new Set(lines)].toSorted(compareText);
}

/** The outline of what schema files export; drizzle-kit's snapshot has the same one once it has seen them. */
export function outlineOfSchema(
  exported: Iterable<unknown>,
  model: AccessModel,
  { notesExistingViews }: Pick<KitLine, 'notesExistingViews'>,
): SchemaOutline {
  const values = [...new Set(exported)];
  return outline({
    tables: model.tables.filter((table) => table.declared),
    linked: model.tables.filter((table) => !table.declared),
    roles: values
      .filter((value) => is(value, PgRole))
      .flatMap((role) => (isExisting(role) ? [] : [role.name])),
    schemas: values
      .filter(isPgSchema)
      .flatMap(({ schemaName }) => (schemaName === 'public' ? [] : [schemaName])),
    enums: values.filter(isPgEnum).map(({ schema, enumName }) => place(schema, enumName)),
    sequences: values.filter(isPgSequence).map(({ schema, seqName }) => place(schema, seqName ?? '')),
    views: [
      ...values.filter(isPgView).map(getViewConfig),
      ...values.filter(isPgMaterializedView).map(getMaterializedViewConfig),
    ]
      .filter(({ isExisting: somebodyElses }) => notesExistingViews || !somebodyElses)
      .map(({ schema, name }) => place(schema, name)),
  });
}

// `.existing()` notes it in a field that drizzle-orm does not declare.
function isExisting(role: PgRole): boolean {
  return Reflect.get(role, '_existing') === true;
}

function place(schema: string | undefined, name: string): TableName {
  return { schema: schema ?? 'public', name };
}
