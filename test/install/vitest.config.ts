import { defineConfig } from 'vitest/config';

/** What `npm install` gives a user: it needs the registry, so it has a command of its own. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['packed.ts'],
    pool: 'forks',
    // vitest leaves one CPU alone, which is half of a machine with two.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
