import { SharedMemory, VioError } from '@vio/native';
import { failureOf } from '@vio/test-support';
import { describe, expect, it, vi } from 'vitest';
import { pairsOf } from '../../test-support/ring-sizes.ts';
import { type DeviceMemory, type MemoryOptions, type MemoryRequest, sharedMemory } from './device-memory.ts';
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

describe('huge pages that a port takes by itself', () => {
  /** Of 2.2 MiB. */
  const usual: MemoryOptions = {};
  const small: MemoryOptions = { buffers: 300 };

  /** What is asked of a device with so many free pages, and what the port says then. */
  const taken = (memory: MemoryOptions, free: number, refusal?: Error) => {
    const asked: MemoryRequest['hugepages'][] = [];
    const allocate = ({ hugepages, bytes }: MemoryRequest): DeviceMemory => {
      asked.push(hugepages);
      if (hugepages !== undefined && refusal !== undefined) throw refusal;
      return { buffer: new ArrayBuffer(0), address: 0n, fd: undefined, ready: bytes, close: () => {} };
    };
    const plan = planMemory(pairsOf(1, 256), features, memory);
    const { hugepages } = PortMemory.create(allocate, plan, memory, 0n, () => free);
    return { asked, hugepages };
  };

  it.each<[string, MemoryOptions, number, MemoryRequest['hugepages']]>([
    ['as many as are free', usual, 2, '2M'],
    ['none where there are too few for all of it', usual, 1, undefined],
    ['none where there are none', usual, 0, undefined],
    ['none for a port that would not fill one', small, 100, undefined],
    ['none for a pool that may grow', { maxBuffers: 10_000 }, 100, undefined],
    ['none when it is to leave them alone', { hugepages: 'none' }, 100, undefined],
    ['those of 2 MiB when that is said', { hugepages: 'auto' }, 2, '2M'],
    ['those that were asked for, free or not', { hugepages: '1G' }, 0, '1G'],
    ['those that were asked for, small as it is', { ...small, hugepages: '2M' }, 0, '2M'],
  ])('are %s', (_, memory, free, pages) => {
    expect(taken(memory, free)).toEqual({ asked: [pages], hugepages: pages });
  });

  it('are none when the device is not given them after all', () => {
    const refused = new VioError('gone', { code: 'VIO_HUGEPAGES', remedy: 'reserve some' });
    expect(taken(usual, 2, refused)).toEqual({ asked: ['2M', undefined], hugepages: undefined });
    expect(failureOf(() => taken({ hugepages: '2M' }, 2, refused))).toBe(refused);
  });

  it('hide no mistake of a device', () => {
    const mistake = new TypeError('a mistake');
    expect(() => taken(usual, 2, mistake)).toThrow(mistake);
  });
});
