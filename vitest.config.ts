import { defineConfig } from 'vitest/config';

/** Unit and property tests stand beside the code and run on the sources; what crosses packages runs on the build. */
export default defineConfig({
  test: {
    projects: [
      {
        resolve: { conditions: ['vio-source'] },
        ssr: { resolve: { conditions: ['vio-source'] } },
        test: {
          name: 'packages',
          include: ['packages/*/src/**/*.test.ts'],
          pool: 'forks',
          // Properties take seconds where two cores do everything.
          testTimeout: 30_000,
        },
      },
      'test/vitest.config.ts',
    ],
  },
});
