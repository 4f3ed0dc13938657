import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_RSS,
} from '@vio/net';
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_NOTIF_CONFIG_DATA,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { type FeatureChoice, chooseFeatures } from './choose-features.ts';

const everything = (1n << 64n) - 1n;

const choose = (choice: Partial<FeatureChoice>): bigint =>
  chooseFeatures({
    offered: everything,
    modern: true,
    pairs: 1,
    offloads: {},
    without: 0n,
    mtu: null,
    room: 2048,
    ...choice,
  });

describe('features of a modern device', () => {
  it.each([
    ['VERSION_1', VIRTIO_F_VERSION_1],
    ['ACCESS_PLATFORM', VIRTIO_F_ACCESS_PLATFORM],
    ['ORDER_PLATFORM', VIRTIO_F_ORDER_PLATFORM],
    ['RING_PACKED', VIRTIO_F_RING_PACKED],
    ['IN_ORDER', VIRTIO_F_IN_ORDER],
    ['RING_RESET', VIRTIO_F_RING_RESET],
    ['NOTIFICATION_DATA', VIRTIO_F_NOTIFICATION_DATA],
    ['NOTIF_CONFIG_DATA', VIRTIO_F_NOTIF_CONFIG_DATA],
  ])('%s is taken when it is offered, and only then', (_, bit) => {
    const wanted = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC;
    expect(choose({ offered: wanted | bit })).toBe(wanted | bit);
    expect(choose({ offered: wanted })).toBe(wanted);
  });

  it('that nobody here knows, or asked for, are not taken', () => {
    const strange = VIRTIO_F_SR_IOV | (1n << 41n) | (1n << 50n) | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_MQ;
    expect(choose({ offered: VIRTIO_F_VERSION_1 | strange })).toBe(VIRTIO_F_VERSION_1);
  });

  it('that need a control queue are not taken without one', () => {
    const control = VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_MAC_ADDR;
    expect(choose({ offered: VIRTIO_F_VERSION_1 | control })).toBe(VIRTIO_F_VERSION_1);
    const all = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_VQ | control;
    expect(choose({ offered: all })).toBe(all);
  });

  it('for several queue pairs are taken with several queue pairs', () => {
    const several = VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS;
    expect(choose({ pairs: 2 }) & several).toBe(several);
    expect(choose({ pairs: 1 }) & several).toBe(0n);
  });

  it('can be left out', () => {
    expect(choose({ without: VIRTIO_F_RING_PACKED }) & VIRTIO_F_RING_PACKED).toBe(0n);
  });

  it('must have VERSION_1 among them', () => {
    expect(() => choose({ offered: VIRTIO_NET_F_MAC })).toThrow(
      expect.objectContaining({ code: 'VIO_FEATURE_MISSING' }),
    );
  });
});

describe('features of a legacy device', () => {
  it('are none above bit 31', () => {
    expect(choose({ modern: false }) >> 32n).toBe(0n);
  });

  it('say how packets may be framed, and nothing of the MTU', () => {
    const features = choose({ modern: false });
    expect(features & (VIRTIO_F_ANY_LAYOUT | VIRTIO_NET_F_MTU)).toBe(VIRTIO_F_ANY_LAYOUT);
  });
});
