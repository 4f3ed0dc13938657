import { defineConfig } from 'vitest/config';

/** Against real peers: one file at a time, because a polling peer wants a CPU of its own. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
