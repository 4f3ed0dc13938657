import { describe, expect, it } from 'vitest';
import { type QueueSizeInput, chooseQueueSize } from './queue-size.ts';

const choose = (input: Partial<QueueSizeInput>): number =>
  chooseQueueSize({ queue: 0, most: 256, wanted: undefined, resizable: true, format: 'split', ...input });

describe('the size of a ring', () => {
  it.each([
    ['the device’s', { most: 256 }, 256],
    ['1024 at most', { most: 4096 }, 1024],
    ['what was asked for', { most: 1024, wanted: 64 }, 64],
    ['more than 1024 if that was asked for', { most: 4096, wanted: 4096 }, 4096],
    ['the device’s if more was asked for', { wanted: 512 }, 256],
    ['the device’s if more was asked for in packed rings', { format: 'packed', most: 100, wanted: 200 }, 100],
    ['what is enough, where the device allows more', { most: 64, enough: 16 }, 16],
    ['the device’s where it allows less than is enough', { most: 8, enough: 16 }, 8],
    ['any number of a packed ring', { format: 'packed', wanted: 100 }, 100],
    ['the device’s whatever it is, of a legacy device', { most: 4096, resizable: false }, 4096],
    ['the device’s whatever was asked for, of a legacy device', { resizable: false, wanted: 128 }, 256],
  ] as const)('is %s', (_, input, size) => {
    expect(choose(input)).toBe(size);
  });

  it.each([
    ['a split ring that is no power of two', { wanted: 100 }, 'VIO_RING_SIZE'],
    [
      'a split ring that is no power of two, of a legacy device',
      { wanted: 100, resizable: false },
      'VIO_RING_SIZE',
    ],
    ['half a descriptor', { wanted: 0.5 }, 'VIO_RING_SIZE'],
    ['no descriptor', { wanted: 0 }, 'VIO_RING_SIZE'],
    ['a device without a queue', { most: 0 }, 'VIO_PCI_NO_QUEUE'],
  ] as const)('is refused of %s', (_, input, code) => {
    expect(() => choose(input)).toThrow(expect.objectContaining({ code }));
  });
});
