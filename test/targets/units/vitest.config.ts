import { join } from 'node:path';
import type { ViteUserConfig } from 'vitest/config';

const conditions = ['vio-source'];

/**
 * The unit tests of what depends on the machine, run by its Node: the addon, and rings, whose order of stores arm64
 * does not keep by itself. Of vitest only types are imported: here it is the one of this machine.
 */
const config: ViteUserConfig = {
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    root: join(import.meta.dirname, '../../..'),
    include: [
      'packages/native/src/**/*.test.ts',
      'packages/rings/src/{compliance,device,driver,layout,memory}/*.test.ts',
    ],
    exclude: [
      // How it is built and published is a matter of the machine that does so.
      'packages/native/src/install.test.ts',
      'packages/native/src/prebuilds.test.ts',
      // Minutes of translated instructions each.
      '**/*.{property,fuzz}.test.ts',
    ],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
};

export default config;
