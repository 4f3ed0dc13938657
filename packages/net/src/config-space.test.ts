import { describe, expect, it } from 'vitest';
import {
  type ConfigSpace,
  configSpaceBytes,
  configSpaceHead,
  decodeConfigSpace,
  encodeConfigSpace,
} from './config-space.ts';
import {
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_STATUS,
} from './feature-bits.ts';

const config: ConfigSpace = {
  mac: '52:54:00:12:34:56',
  linkUp: true,
  announce: true,
  maxPairs: 8,
  mtu: 1450,
  rss: { keyBytes: 40, tableEntries: 128, hashTypes: 0x1ff },
};
const all = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MQ | VIRTIO_NET_F_MTU | VIRTIO_NET_F_RSS;

describe('the configuration space', () => {
  it('is laid out as virtio says', () => {
    expect(Buffer.from(encodeConfigSpace(config)).toString('hex')).toBe(
      ['525400123456', '0300', '0800', 'aa05', '00000000', '00', '28', '8000', 'ff010000'].join(''),
    );
  });

  it('of a device that says nothing is empty but for the link and one pair', () => {
    const bytes = encodeConfigSpace({
      mac: undefined,
      linkUp: true,
      announce: false,
      maxPairs: 1,
      mtu: undefined,
    });
    expect([bytes.length, [...bytes].flatMap((byte, i) => (byte === 0 ? [] : [i]))]).toEqual([
      configSpaceBytes,
      [6, 8],
    ]);
  });

  it('is read as it was written', () => {
    expect(decodeConfigSpace(encodeConfigSpace(config), all)).toEqual(config);
  });

  it('says something of receive-side scaling only with its feature', () => {
    expect(decodeConfigSpace(encodeConfigSpace(config), all & ~VIRTIO_NET_F_RSS)).not.toHaveProperty('rss');
  });

  it('that is cut off behind the MTU says nothing of receive-side scaling', () => {
    const bytes = encodeConfigSpace(config).subarray(0, configSpaceHead);
    expect(decodeConfigSpace(bytes, all)).toEqual({ ...config, rss: undefined });
  });

  it.each([
    ['an address', VIRTIO_NET_F_MAC, { mac: undefined }],
    ['a link state', VIRTIO_NET_F_STATUS, { linkUp: true, announce: false }],
    ['a number of pairs', VIRTIO_NET_F_MQ, { maxPairs: 1 }],
    ['an MTU', VIRTIO_NET_F_MTU, { mtu: undefined }],
  ])('has %s only with its feature', (_, bit, without) => {
    const bytes = encodeConfigSpace({ ...config, linkUp: false });
    expect(decodeConfigSpace(bytes, all & ~bit)).toMatchObject(without);
  });
});
