import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS } from '@vio/net';
import { describe, expect, it } from 'vitest';
import { decodeNetConfig } from './net-config.ts';

/** Address, status: link up and announce, 4 pairs, MTU 9000. */
const bytes = Uint8Array.of(0x52, 0x54, 0, 0, 0, 0x0a, 3, 0, 4, 0, 0x28, 0x23);
const all = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MQ | VIRTIO_NET_F_MTU;

describe('the configuration of a network device', () => {
  it('is read field by field', () => {
    expect(decodeNetConfig(bytes, all)).toEqual({
      mac: '52:54:00:00:00:0a',
      linkUp: true,
      maxPairs: 4,
      mtu: 9000,
    });
  });

  it('has a link that is down when the bit is not set', () => {
    const down = bytes.slice();
    down[6] = 2;
    expect(decodeNetConfig(down, all).linkUp).toBe(false);
  });

  it('has only the fields the features say', () => {
    expect(decodeNetConfig(bytes, 0n)).toEqual({
      mac: undefined,
      linkUp: true,
      maxPairs: 1,
      mtu: undefined,
    });
  });

  it.each([0, 5, 7, 9, 11])('of %i bytes has only the fields that are there', (length) => {
    const config = decodeNetConfig(bytes.subarray(0, length), all);
    expect(config).toEqual({
      mac: length < 6 ? undefined : '52:54:00:00:00:0a',
      linkUp: true,
      maxPairs: length < 10 ? 1 : 4,
      mtu: undefined,
    });
  });

  it('has one pair at least, whatever it says', () => {
    const none = bytes.slice();
    none[8] = 0;
    expect(decodeNetConfig(none, all).maxPairs).toBe(1);
  });
});
