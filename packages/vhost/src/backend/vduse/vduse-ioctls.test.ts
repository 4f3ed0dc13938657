import { describe, expect, it } from 'vitest';
import * as vduse from './vduse-ioctls.ts';

describe('VDUSE, as linux/vduse.h has it', () => {
  it('numbers its ioctls by direction and size', () => {
    const { VDUSE_CREATE_DEV, VDUSE_IOTLB_GET_FD, VDUSE_DEV_INJECT_CONFIG_IRQ, VDUSE_VQ_GET_INFO } = vduse;
    expect([VDUSE_CREATE_DEV, VDUSE_IOTLB_GET_FD, VDUSE_DEV_INJECT_CONFIG_IRQ, VDUSE_VQ_GET_INFO]).toEqual([
      0x4150_8102, 0xc020_8110, 0x8113, 0xc030_8115,
    ]);
  });

  it('makes a device of a name, a type, features, queues and a configuration space', () => {
    const bytes = vduse.encodeConfig({
      name: 'card',
      deviceId: 1,
      features: 0x3_0000_0020n,
      queues: 9,
      queueSize: 256,
      space: Uint8Array.of(1, 2, 3),
    });
    const view = new DataView(bytes.buffer);
    expect(new TextDecoder().decode(bytes.subarray(0, 5))).toBe('card\0');
    expect([256, 260, 272, 276, 332].map((at) => view.getUint32(at, true))).toEqual([0x1af4, 1, 9, 4096, 3]);
    expect(view.getBigUint64(264, true)).toBe(0x3_0000_0020n);
    expect([...bytes.subarray(336)]).toEqual([1, 2, 3]);
  });

  it('ends a name of any length', () => {
    expect(vduse.encodeName('x'.repeat(300)).at(-1)).toBe(0);
  });

  it('says of a queue where it lies, and where either format goes on', () => {
    const bytes = new Uint8Array(48);
    const view = new DataView(bytes.buffer);
    view.setUint32(4, 256, true);
    [0x1000n, 0x2000n, 0x1_0000_3000n].forEach((address, i) => view.setBigUint64(8 + 8 * i, address, true));
    [1, 5, 0, 7].forEach((half, i) => view.setUint16(32 + 2 * i, half, true));
    view.setUint8(40, 1);
    expect(vduse.decodeQueue(bytes)).toEqual({
      size: 256,
      descriptors: 0x1000,
      driver: 0x2000,
      device: 0x1_0000_3000,
      splitBase: 1,
      packedBase: 0x0007_8005,
      ready: true,
    });
  });

  it.each([
    [0x1234, false, [0x1234, 0, 0, 0]],
    [0x8000_8000, true, [1, 0, 1, 0]],
    [0x0007_8005, true, [1, 5, 0, 7]],
  ])('is told of base 0x%i, packed %s, as %j', (base, packed, state) => {
    expect([...vduse.encodeState(base, packed)]).toEqual(state);
  });
});
