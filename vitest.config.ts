import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { testFiles } from './test/support/sharing.ts';

/** The sources of our packages in the place of what is built of them. */
const conditions = ['vio-source'];
const ofSources = { resolve: { conditions }, ssr: { resolve: { conditions } } };

const packages = readdirSync(join(import.meta.dirname, 'packages')).map((name) => `packages/${name}/src`);
const { alone, shared } = testFiles([...packages, 'bench/src']);
/** Properties take seconds where two cores do everything. */
const patience = { pool: 'forks', testTimeout: 30_000 } as const;

/** Unit and property tests stand beside the code and run on the sources; what crosses packages runs on the build. */
export default defineConfig({
  test: {
    // vitest leaves one CPU alone, which is half of a machine with two; many tests mostly wait.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      { ...ofSources, test: { name: 'packages', include: alone, ...patience } },
      { ...ofSources, test: { name: 'packages-shared', include: shared, isolate: false, ...patience } },
      'test/vitest.config.ts',
    ],
  },
});
