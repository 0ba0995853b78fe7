import type { TestProject } from 'vitest/node';

import { startEmbeddedCluster } from '../../src/embedded/cluster.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** One cluster for each worker, since roles belong to a whole cluster. Undefined in tests below test/unit. */
    readonly clusterUrls: readonly string[] | undefined;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const workers = project.vitest.config.maxWorkers;
  const clusters = await Promise.all(Array.from({ length: workers }, () => startEmbeddedCluster()));
  project.provide(
    'clusterUrls',
    clusters.map(({ ownerUrl }) => ownerUrl),
  );
  return async () => {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  };
}
