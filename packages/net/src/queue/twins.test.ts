import { Wire } from '../test-support/wire.ts';

// The suites of the queues once more, where everything is moved in TypeScript: elsewhere kernels do it.
Wire.native = false;
await import('./rx-queue.test.ts');
await import('./mergeable-rx-queue.test.ts');
await import('./tx-queue.test.ts');
await import('./region-offset.test.ts');
