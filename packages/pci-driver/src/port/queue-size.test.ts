import { describe, expect, it } from 'vitest';
import { type QueueSizeInput, chooseQueueSize } from './queue-size.ts';

const choose = (input: Partial<QueueSizeInput>): number =>
  chooseQueueSize({
    queues: [0, 1],
    sizes: [256, 256],
    wanted: undefined,
    resizable: true,
    format: 'split',
    ...input,
  });

describe('the size of rings', () => {
  it.each([
    ['the device’s', { sizes: [256, 256] }, 256],
    ['1024 at most', { sizes: [4096, 4096] }, 1024],
    ['the smallest of its queues', { sizes: [1024, 256, 512, 1024] }, 256],
    ['what was asked for', { sizes: [1024, 1024], wanted: 64 }, 64],
    ['more than 1024 if that was asked for', { sizes: [4096, 4096], wanted: 4096 }, 4096],
    ['what is enough, where the device allows more', { sizes: [64], enough: 16 }, 16],
    ['the device’s where it allows less than is enough', { sizes: [8], enough: 16 }, 8],
    ['any number of a packed ring', { format: 'packed', wanted: 100 }, 100],
    ['the device’s whatever it is, of a legacy device', { sizes: [4096, 4096], resizable: false }, 4096],
  ] as const)('is %s', (_, input, size) => {
    expect(choose(input)).toBe(size);
  });

  it.each([
    ['a legacy device of another size', { resizable: false, wanted: 128 }, 'VIO_PCI_QUEUE_SIZE'],
    ['a legacy device with rings of two sizes', { resizable: false, sizes: [256, 64] }, 'VIO_PCI_QUEUE_SIZE'],
    ['a split ring that is no power of two', { wanted: 100 }, 'VIO_PCI_QUEUE_SIZE'],
    ['more than the device has', { wanted: 512 }, 'VIO_PCI_QUEUE_SIZE'],
    ['half a descriptor', { wanted: 0.5 }, 'VIO_PCI_QUEUE_SIZE'],
    ['a device without a queue', { sizes: [256, 0] }, 'VIO_PCI_NO_QUEUE'],
  ] as const)('is refused of %s', (_, input, code) => {
    expect(() => choose(input)).toThrow(expect.objectContaining({ code }));
  });
});
