import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_STATUS,
} from '../../feature-bits.ts';
import type { OffloadOptions } from '../../offload/offload-features.ts';
import type { DeviceTraits } from '../net-device.ts';
import { type ChosenFeatures, type FeatureChoice, chooseFeatures } from './choose-features.ts';

const controlBits =
  VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN | VIRTIO_NET_F_CTRL_MAC_ADDR;
const everything = (1n << 64n) - 1n;

/** A choice for a vhost backend, with DPDK's defaults. */
function negotiate(
  wishes: Partial<FeatureChoice>,
  offered: bigint,
  offloads: OffloadOptions = {},
  more: Partial<FeatureChoice> = {},
): ChosenFeatures {
  return chooseFeatures({
    packed: false,
    inOrder: true,
    mergeable: true,
    controlQueue: wishes.queues !== undefined,
    traits: { wanted: 0n, needed: 0n, own: VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS },
    control: {
      queue: { features: VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_MAC_ADDR, channel: undefined },
      substitute: () => ({ execute: () => Promise.resolve() }),
    },
    hasConfig: false,
    ownMtu: undefined,
    deviceMtu: undefined,
    tellsMtu: false,
    room: 2048,
    ...wishes,
    ...more,
    offloads,
    offered,
  });
}

describe('the backend is told', () => {
  it('what DPDK asks for by default', () => {
    const { accepted } = negotiate({}, everything);
    expect(accepted).toBe(
      VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_IN_ORDER | VIRTIO_NET_F_MRG_RXBUF,
    );
  });

  it.each([
    ['mergeable', VIRTIO_NET_F_MRG_RXBUF],
    ['inOrder', VIRTIO_F_IN_ORDER],
  ])('nothing of what %s: false switches off', (key, bit) => {
    expect(negotiate({ [key]: false }, everything).accepted & bit).toBe(0n);
  });

  it.each([
    ['packed_vq=1', { packed: true }, VIRTIO_F_RING_PACKED],
    ['queues=2', { queues: 2 }, VIRTIO_NET_F_MQ],
  ])('what %s needs', (_, options, bit) => {
    expect(negotiate(options, everything).accepted & bit).toBe(bit);
  });

  it('nothing that it did not offer', () => {
    const offered = VIRTIO_F_VERSION_1 | VIRTIO_F_IN_ORDER;
    expect(negotiate({}, offered).accepted).toBe(offered);
  });

  it('nothing at all if it offers nothing', () => {
    expect(negotiate({}, 0n).accepted).toBe(0n);
  });

  it('nothing modern if it is not', () => {
    const legacy = everything & ~VIRTIO_F_VERSION_1;
    expect(negotiate({}, legacy).accepted & VIRTIO_F_IN_ORDER).toBe(0n);
  });

  it('ANY_LAYOUT if it is not modern, where it is implied', () => {
    const told = [everything, everything & ~VIRTIO_F_VERSION_1].map(
      (offered) => (negotiate({}, offered).accepted & VIRTIO_F_ANY_LAYOUT) !== 0n,
    );
    expect(told).toEqual([false, true]);
  });

  it('nothing of the control queue when it only says that it leaves that to the frontend', () => {
    const offered = everything & ~VIRTIO_NET_F_CTRL_MAC_ADDR;
    const { accepted, control } = negotiate({ queues: 2 }, offered);
    expect([accepted & controlBits, control]).toEqual([0n, 'emulated']);
  });

  it('that its control queue is used, when it has one', () => {
    const { accepted, control } = negotiate({ controlQueue: true }, everything);
    expect([accepted & controlBits, control]).toEqual([controlBits, 'ring']);
  });

  it('of a control queue what the caller says, who may know better', () => {
    const lone = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_VQ;
    const kinds = [everything, lone].map((offered) =>
      (['emulated', 'device'] as const).map(
        (controlQueue) => negotiate({ controlQueue: true }, offered, {}, { controlQueue }).control,
      ),
    );
    expect(kinds).toEqual([
      ['emulated', 'ring'],
      ['emulated', 'ring'],
    ]);
  });

  it('nothing, if several queue pairs are wanted and no control queue', () => {
    const negotiating = (): unknown => negotiate({ queues: 2 }, everything, {}, { controlQueue: false });
    expect(failureOf(negotiating)).toMatchObject({
      code: 'VIO_FEATURE_MISSING',
      remedy: 'leave controlQueue out, or use one queue pair',
    });
  });

  it('nothing, if its control queue is wanted and it has none', () => {
    const negotiating = (): unknown =>
      negotiate({ controlQueue: true }, VIRTIO_F_VERSION_1, {}, { controlQueue: 'device' });
    expect(failureOf(negotiating)).toMatchObject({
      code: 'VIO_FEATURE_MISSING',
      message: expect.stringContaining('CTRL_VQ'),
    });
  });

  it('nothing of a control queue that nobody asked for', () => {
    const { features, control } = negotiate({}, everything);
    expect([features & controlBits, control]).toEqual([0n, 'none']);
  });
});

describe('the port has', () => {
  it.each([
    ['cq=1', { controlQueue: true }],
    ['several queue pairs', { queues: 2 }],
  ])('a control queue of its own with %s, whatever the backend offers', (_, options) => {
    const offered = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MQ;
    expect(negotiate(options, offered).features & controlBits).toBe(controlBits);
  });

  it('neither RSS nor hash reports unless they are asked for', () => {
    const hashBits = VIRTIO_NET_F_RSS | VIRTIO_NET_F_HASH_REPORT;
    const of = (offloads: OffloadOptions): bigint =>
      negotiate({ queues: 2 }, everything, offloads).features & hashBits;
    expect([of({}), of({ rss: true, hashReport: true })]).toEqual([0n, hashBits]);
  });

  it('no receive offloads to turn off without any', () => {
    const of = (offloads: OffloadOptions): bigint =>
      negotiate({ controlQueue: true }, everything, offloads).features & VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
    expect([of({}), of({ rxChecksum: true })]).toEqual([0n, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS]);
  });

  it('an address and a link, which are its own', () => {
    const own = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;
    const { features, accepted } = negotiate({}, 0n);
    expect([features & own, accepted & own]).toEqual([own, 0n]);
  });

  it('names for what was wanted and not offered', () => {
    const { missing } = negotiate({}, everything & ~VIRTIO_F_IN_ORDER & ~VIRTIO_NET_F_MRG_RXBUF);
    expect(missing.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['IN_ORDER', 'MRG_RXBUF']);
  });
});

describe('an offload that there is not', () => {
  it('is an error that names it', () => {
    const misspelt: object = { rxCheksum: true };
    expect(failureOf(() => negotiate({}, everything, misspelt))).toMatchObject({
      code: 'VIO_OPTION_UNKNOWN',
      message: 'offloads has no option "rxCheksum"',
    });
  });
});

describe('devargs that cannot be met are an error:', () => {
  it.each([
    ['packed_vq=1', 'RING_PACKED', { packed: true }, everything & ~VIRTIO_F_RING_PACKED],
    ['packed_vq=1', 'RING_PACKED', { packed: true }, everything & ~VIRTIO_F_VERSION_1],
    ['queues=2', 'MQ', { queues: 2 }, everything & ~VIRTIO_NET_F_MQ],
  ])('%s without %s', (devarg, feature, options, offered) => {
    const error = failureOf(() => negotiate(options, offered));
    expect(error.code).toBe('VIO_FEATURE_MISSING');
    expect(error.message).toContain(`${devarg} needs the feature ${feature}`);
  });
});

describe('a device that a driver has to itself', () => {
  const traits: DeviceTraits = {
    wanted: VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_NOTIFICATION_DATA | VIRTIO_F_RING_RESET,
    needed: VIRTIO_F_VERSION_1,
    own: 0n,
  };
  const choose = (choice: Partial<FeatureChoice>): bigint =>
    chooseFeatures({
      offered: everything,
      traits,
      control: {
        queue: { features: VIRTIO_NET_F_CTRL_VQ, channel: undefined },
        substitute: undefined,
      },
      hasConfig: true,
      ownMtu: undefined,
      deviceMtu: undefined,
      tellsMtu: false,
      room: 2048,
      ...choice,
    }).features;

  it.each([
    ['VERSION_1', VIRTIO_F_VERSION_1],
    ['ACCESS_PLATFORM', VIRTIO_F_ACCESS_PLATFORM],
    ['RING_PACKED', VIRTIO_F_RING_PACKED],
    ['IN_ORDER', VIRTIO_F_IN_ORDER],
    ['RING_RESET', VIRTIO_F_RING_RESET],
    ['NOTIFICATION_DATA', VIRTIO_F_NOTIFICATION_DATA],
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
    expect(choose({ queues: 2, wanted: VIRTIO_NET_F_RSS }) & VIRTIO_NET_F_MQ).toBe(VIRTIO_NET_F_MQ);
    expect(choose({ queues: 2, wanted: VIRTIO_NET_F_RSS }) & VIRTIO_NET_F_RSS).toBe(VIRTIO_NET_F_RSS);
    expect(choose({ queues: 1 }) & (VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS)).toBe(0n);
  });

  it('for several queue pairs are missed by name without a control queue', () => {
    const offered = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MQ;
    const { code, message } = failureOf(() => choose({ queues: 2, offered }));
    expect([code, message]).toEqual(['VIO_FEATURE_MISSING', expect.stringContaining('CTRL_VQ')]);
  });

  it('can be left out', () => {
    expect(choose({ without: VIRTIO_F_RING_PACKED }) & VIRTIO_F_RING_PACKED).toBe(0n);
  });

  it('can be left out, and are not missed then', () => {
    const missed = (without: bigint) => negotiate({ without }, VIRTIO_F_VERSION_1).missing;
    expect(missed(0n)).toEqual(expect.arrayContaining(['IN_ORDER', 'MRG_RXBUF']));
    expect(missed(VIRTIO_F_IN_ORDER)).not.toContain('IN_ORDER');
  });

  it('that its transport needs cannot be left out', () => {
    const { code, message } = failureOf(() => choose({ without: VIRTIO_F_VERSION_1 }));
    expect([code, message]).toEqual(['VIO_FEATURE_MISSING', expect.stringContaining('`without`')]);
  });

  it('must have VERSION_1 among them, if its transport needs it', () => {
    expect(failureOf(() => choose({ offered: VIRTIO_NET_F_MAC })).code).toBe('VIO_FEATURE_MISSING');
  });

  it('of before virtio 1 are none above bit 31, and say how packets may be framed', () => {
    const features = choose({
      offered: everything & ~VIRTIO_F_VERSION_1,
      traits: { ...traits, needed: 0n },
    });
    expect([features >> 32n, features & VIRTIO_F_ANY_LAYOUT]).toEqual([0n, VIRTIO_F_ANY_LAYOUT]);
  });

  it.each([
    [1500, undefined, VIRTIO_NET_F_MTU],
    [9000, undefined, VIRTIO_NET_F_MTU],
    [1500, false, VIRTIO_NET_F_MTU],
    [9000, false, 0n],
  ])('MTU (of %i, mergeable %s) is taken if there is room for such frames', (mtu, mergeable, taken) => {
    expect(choose({ deviceMtu: mtu, mergeable }) & VIRTIO_NET_F_MTU).toBe(taken);
  });
});
