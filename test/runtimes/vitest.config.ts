import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['*.test.ts'],
    // The first test of a runtime may have to fetch it.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
