import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** The sources of our packages in the place of what is built of them. */
const conditions = ['vio-source'];
const ofSources = { resolve: { conditions }, ssr: { resolve: { conditions } } };

/** Packages whose tests leave their process as they found it, and do not ask what else it holds; but for the second, which do. */
const modest = ['packages/{rings,net,pci-driver,cli}/src/**/*.test.ts', 'bench/src/**/*.test.ts'];
const immodest = [
  'packages/net/src/device/memory/port-memory.test.ts',
  'packages/pci-driver/src/vdpa/pci-vdpa-device.test.ts',
];
/** Properties take seconds where two cores do everything. */
const patience = { pool: 'forks', testTimeout: 30_000 } as const;

/** Unit and property tests stand beside the code and run on the sources; what crosses packages runs on the build. */
export default defineConfig({
  test: {
    // vitest leaves one CPU alone, which is half of a machine with two; many tests mostly wait.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        ...ofSources,
        test: {
          name: 'packages',
          include: ['packages/!(rings|net|pci-driver|cli)/src/**/*.test.ts', ...immodest],
          ...patience,
        },
      },
      {
        ...ofSources,
        test: {
          // They share processes: to start one, and to load what they import into it, takes longer than most of them.
          name: 'packages-shared',
          include: modest,
          exclude: immodest,
          isolate: false,
          ...patience,
        },
      },
      'test/vitest.config.ts',
    ],
  },
});
