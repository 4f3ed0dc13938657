import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['*.test.ts'],
    // Every instruction of the unit tests is translated.
    testTimeout: 900_000,
    hookTimeout: 300_000,
  },
});
