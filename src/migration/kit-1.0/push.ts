import type { NodePgDatabase } from 'drizzle-orm/node-postgres';

import {
  filterOf,
  loadKitApi,
  type PushConfig,
  type PushQuestion,
  type StructurePlan,
} from '../push-plan.ts';
import { trimStatement } from '../statements.ts';

/** What drizzle-kit wants to be told before it says what it would do. */
interface MissingHint {
  readonly type: 'confirm_data_loss' | 'rename_or_create';
  readonly kind: string;
  readonly entity: readonly string[];
  readonly reason?: string;
}

interface Api {
  readonly pushSchema: (
    imports: Record<string, unknown>,
    database: NodePgDatabase,
    entities: {
      readonly tables: readonly string[];
      readonly schemas: readonly string[];
      readonly extensions: readonly string[];
      readonly entities: PushConfig['entities'];
    },
    migrations: undefined,
    options: { readonly hints: readonly object[] },
  ) => Promise<{
    readonly sqlStatements: readonly string[];
    readonly hints: readonly { readonly statement?: string }[];
  }>;
}

/**
 * Asks drizzle-kit 1.0 what it would push. What it wants to be told is answered with "new" and "yes", and becomes a
 * warning: a new name is given by a migration.
 */
export async function planPush({ imports, database, config, schemas }: PushQuestion): Promise<StructurePlan> {
  const { pushSchema } = loadKitApi('drizzle-kit/api-postgres') as Api;
  const filters = {
    tables: filterOf(config.tablesFilter) ?? [],
    schemas: filterOf(config.schemaFilter) ?? schemas,
    extensions: filterOf(config.extensionsFilters) ?? [],
    entities: config.entities,
  };
  const answers: object[] = [];
  const warnings: string[] = [];
  for (;;) {
    try {
      const plan = await pushSchema({ ...imports }, database, filters, undefined, { hints: answers });
      // What it would do first, such as emptying a table that gets a column without a default.
      const losses = plan.hints.flatMap(({ statement }) => (statement === undefined ? [] : [statement]));
      return { statements: [...losses, ...plan.sqlStatements].map(trimStatement), warnings };
    } catch (error) {
      const missing = missingHints(error);
      if (missing.length === 0) throw error;
      for (const hint of missing) {
        const what = `the ${hint.kind.replaceAll('_', ' ')} ${hint.entity.join('.')}`;
        const isLoss = hint.type === 'confirm_data_loss';
        warnings.push(
          isLoss ? `${what}: rows are lost (${hint.reason ?? 'not empty'})` : `${what} is taken for new`,
        );
        answers.push({ type: isLoss ? hint.type : 'create', kind: hint.kind, entity: hint.entity });
      }
    }
  }
}

function missingHints(error: unknown): readonly MissingHint[] {
  if (!(error instanceof Error) || !('missingHints' in error) || !Array.isArray(error.missingHints))
    return [];
  return error.missingHints as readonly MissingHint[];
}
