import type { SQL } from 'drizzle-orm';
import {
  getMaterializedViewConfig,
  getViewConfig,
  isPgMaterializedView,
  isPgView,
  PgDialect,
} from 'drizzle-orm/pg-core';

import type { AccessModelOptions } from './access-model.ts';
import type { TableName } from './table-name.ts';

/** A view of the schema. */
export interface ViewDefinition extends TableName {
  readonly query: string;
  readonly kind: 'invoker' | 'owner' | 'materialized';
}

/** The views that schema files export, but for those that somebody else makes. */
export function readViews(
  exported: Iterable<unknown>,
  { casing }: AccessModelOptions = {},
): readonly ViewDefinition[] {
  const dialect = new PgDialect(casing ? { casing } : {});
  const definition = (
    { schema, name, query }: { readonly schema?: string | undefined; name: string; query?: SQL | undefined },
    kind: ViewDefinition['kind'],
  ): readonly ViewDefinition[] => {
    if (!query) return [];
    return [{ schema: schema ?? 'public', name, query: dialect.sqlToQuery(query).sql, kind }];
  };
  return [...new Set(exported)].flatMap((value) => {
    if (isPgView(value)) {
      const config = getViewConfig(value);
      return definition(config, config.with?.securityInvoker === true ? 'invoker' : 'owner');
    }
    return isPgMaterializedView(value) ? definition(getMaterializedViewConfig(value), 'materialized') : [];
  });
}
