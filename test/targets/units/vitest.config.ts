import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { testFiles } from '../../support/sharing.ts';

const conditions = ['vio-source'];
const root = join(import.meta.dirname, '../../..');
const common = { resolve: { conditions }, ssr: { resolve: { conditions } } };
const limits = { root, pool: 'forks', testTimeout: 180_000, hookTimeout: 180_000 } as const;
const exclude = [
  // How it is built and published is a matter of the machine that does so.
  'packages/native/src/install.test.ts',
  'packages/native/src/prebuilds.test.ts',
  // Minutes of translated instructions each.
  '**/*.{property,fuzz}.test.ts',
];
const rings = ['compliance', 'device', 'driver', 'layout', 'memory'].map(
  (room) => `packages/rings/src/${room}`,
);
const { alone, shared } = testFiles(['packages/native/src', ...rings]);

/**
 * The unit tests of what depends on the machine, run by its Node: the addon, and rings, whose order of stores arm64
 * does not keep by itself.
 */
export default defineConfig({
  test: {
    root,
    maxWorkers: 2,
    projects: [
      { ...common, test: { name: 'alone', include: alone, exclude, ...limits } },
      { ...common, test: { name: 'shared', include: shared, exclude, isolate: false, ...limits } },
    ],
  },
});
