import { closeSync, openSync } from 'node:fs';
import { SharedMemory } from '@vio/native';
import { describe, expect, it } from 'vitest';
import { Doorbells } from './doorbells.ts';

const page = 4096;

describe('the notification area of a device', () => {
  it('is a page for each virtqueue, where a kick stores its index', () => {
    using memory = SharedMemory.create({ size: 4 * page });
    using doorbells = new Doorbells();
    for (const index of [1, 3]) doorbells.of(memory.fd, index)?.signal();
    const stored = Array.from(new Uint32Array(memory.buffer).entries()).filter(([, word]) => word !== 0);
    expect(stored).toEqual([
      [page / 4, 1],
      [(3 * page) / 4, 3],
    ]);
  });

  it('is not there when the device maps nothing', () => {
    const fd = openSync('/dev/null', 'r+');
    using doorbells = new Doorbells();
    expect(doorbells.of(fd, 0)).toBe(undefined);
    closeSync(fd);
  });

  it('is silent once the device has ended', () => {
    using memory = SharedMemory.create({ size: 4 * page });
    const doorbells = new Doorbells();
    const doorbell = doorbells.of(memory.fd, 2);
    doorbells[Symbol.dispose]();
    doorbell?.signal();
    expect(new Uint16Array(memory.buffer)[(2 * page) / 2]).toBe(0);
  });
});
