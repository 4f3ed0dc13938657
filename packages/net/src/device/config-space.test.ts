import { describe, expect, it } from 'vitest';
import {
  type ConfigSpace,
  configBytes,
  configFields,
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
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_STATUS,
} from '../feature-bits.ts';

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

  it.each([0, 5, 7, 9, 11])('of %i bytes has only the fields that are there', (length) => {
    const short = decodeConfigSpace(encodeConfigSpace(config).subarray(0, length), all);
    expect(short).toEqual({
      mac: length < 6 ? undefined : config.mac,
      linkUp: true,
      announce: length >= 8,
      maxPairs: length < 10 ? 1 : 8,
      mtu: undefined,
    });
  });

  it('has one pair at least, whatever it says', () => {
    expect(decodeConfigSpace(encodeConfigSpace({ ...config, maxPairs: 0 }), all).maxPairs).toBe(1);
  });

  it.each([
    ['half', 0, 10_000, { speed: 10_000, duplex: 'half' }],
    ['full', 1, 0, { speed: 0, duplex: 'full' }],
    ['unknown', 0xff, 0xffff_ffff, { speed: undefined, duplex: 'unknown' }],
    ['none there is', 7, 0xfeff_ffff, { speed: undefined, duplex: 'unknown' }],
  ])('has speed and duplex (%s), and no speed that no device may have', (_, duplex, speed, said) => {
    const bytes = encodeConfigSpace(config);
    new DataView(bytes.buffer).setUint32(12, speed, true);
    bytes[16] = duplex;
    const read = decodeConfigSpace(bytes, VIRTIO_NET_F_SPEED_DUPLEX);
    expect({ speed: read.speed, duplex: read.duplex }).toEqual(said);
  });

  it.each([
    [0n, 0],
    [VIRTIO_NET_F_MAC, configSpaceHead],
    [VIRTIO_NET_F_SPEED_DUPLEX, 17],
    [VIRTIO_NET_F_RSS, configSpaceBytes],
  ])('is read as far as features 0x%x say that it goes', (features, bytes) => {
    expect(configBytes(features)).toBe(bytes);
  });

  it('is read field by field in the widths of the fields', () => {
    expect(configFields(VIRTIO_NET_F_STATUS | VIRTIO_NET_F_RSS)).toEqual([
      { at: 6, width: 2 },
      { at: 17, width: 1 },
      { at: 18, width: 2 },
      { at: 20, width: 4 },
    ]);
  });
});
