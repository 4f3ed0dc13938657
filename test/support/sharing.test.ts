import { describe, expect, it } from 'vitest';
import { testFiles } from './sharing.ts';

const { alone, shared } = testFiles(['packages/net/src']);

describe('a process of its own', () => {
  it('is for files that run other files once more, which a process runs but once', () => {
    expect(alone).toContain('packages/net/src/queue/twins.test.ts');
  });

  it('is not for those files themselves', () => {
    expect(shared).toContain('packages/net/src/queue/tx-queue.test.ts');
  });
});
