import { defineConfig } from 'vitest/config';

/** What crosses packages and needs no peer; it runs on the built packages, as a user does. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    exclude: [
      'peers/**',
      'uml/**',
      'vm/**',
      'install/**',
      'docs/**',
      'page/**',
      'runtimes/**',
      'targets/**',
      '**/dist/**',
      '**/out/**',
      '**/node_modules/**',
    ],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
