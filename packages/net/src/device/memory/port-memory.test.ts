import { SharedMemory, VioError } from '@vio/native';
import { failureOf } from '@vio/test-support';
import { describe, expect, it, vi } from 'vitest';
import { pairsOf } from '../../test-support/ring-sizes.ts';
import { sharedMemory } from './device-memory.ts';
import { planMemory } from './memory-plan.ts';
import { PortMemory } from './port-memory.ts';

const features = { format: 'split', inOrder: false, indirect: true, eventIdx: false } as const;

describe('the memory of a port', () => {
  it('is of the pages that were asked for, and nothing else when there are none', () => {
    const plan = planMemory(pairsOf(128, 1024), features);
    const none = new VioError('there are none', { code: 'VIO_HUGEPAGES', remedy: 'reserve some' });
    const create = vi.spyOn(SharedMemory, 'create').mockImplementation(() => {
      throw none;
    });
    expect(failureOf(() => PortMemory.create(sharedMemory, plan, { hugepages: '1G' }))).toBe(none);
    expect(create.mock.calls.map(([{ hugepages }]) => hugepages)).toEqual(['1G']);
    create.mockRestore();
  });

  it('is at most what offsets of 31 bits reach', () => {
    const plan = planMemory(pairsOf(128, 32768), features);
    expect(failureOf(() => PortMemory.create(sharedMemory, plan))).toMatchObject({
      code: 'VIO_MEMORY_RANGE',
    });
  });

  it('has pages only for what is in use', () => {
    using room = PortMemory.create(
      sharedMemory,
      planMemory(pairsOf(1, 256), features, { maxBuffers: 500_000 }),
    );
    expect(room.memory.buffer.byteLength).toBeGreaterThan(1_000_000_000);
    expect(room.reach).toBeLessThan(8 * 2 ** 20);
  });
});
