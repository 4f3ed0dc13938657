import { join } from 'node:path';
import type { ViteUserConfig } from 'vitest/config';

const conditions = ['vio-source'];
const root = join(import.meta.dirname, '../../..');
const common = { resolve: { conditions }, ssr: { resolve: { conditions } } };
const limits = { root, pool: 'forks', testTimeout: 180_000, hookTimeout: 180_000 } as const;
/** Minutes of translated instructions each. */
const long = '**/*.{property,fuzz}.test.ts';

/**
 * The unit tests of what depends on the machine, run by its Node: the addon, and rings, whose order of stores arm64
 * does not keep by itself. Of vitest only types are imported: here it is the one of this machine.
 */
const config: ViteUserConfig = {
  test: {
    root,
    maxWorkers: 2,
    projects: [
      {
        ...common,
        test: {
          name: 'native',
          include: ['packages/native/src/**/*.test.ts'],
          exclude: [
            // How it is built and published is a matter of the machine that does so.
            'packages/native/src/install.test.ts',
            'packages/native/src/prebuilds.test.ts',
            long,
          ],
          ...limits,
        },
      },
      {
        ...common,
        test: {
          name: 'rings',
          include: ['packages/rings/src/{compliance,device,driver,layout,memory}/*.test.ts'],
          exclude: [long],
          // As on this machine they share processes, whose start is translated, too.
          isolate: false,
          ...limits,
        },
      },
    ],
  },
};

export default config;
