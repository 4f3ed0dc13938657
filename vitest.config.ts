import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Unit and property tests stand beside the code and run on the sources; what crosses packages runs on the build. */
export default defineConfig({
  test: {
    // vitest leaves one CPU alone, which is half of a machine with two; many tests mostly wait.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        resolve: { conditions: ['vio-source'] },
        ssr: { resolve: { conditions: ['vio-source'] } },
        test: {
          name: 'packages',
          include: ['packages/*/src/**/*.test.ts', 'bench/src/**/*.test.ts'],
          pool: 'forks',
          // Properties take seconds where two cores do everything.
          testTimeout: 30_000,
        },
      },
      'test/vitest.config.ts',
    ],
  },
});
