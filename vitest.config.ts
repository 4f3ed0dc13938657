import { defineConfig } from 'vitest/config';

/** Unit and property tests stand beside the code and run on the TypeScript sources. */
export default defineConfig({
  resolve: { conditions: ['vio-source'] },
  ssr: { resolve: { conditions: ['vio-source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts'],
    pool: 'forks',
  },
});
