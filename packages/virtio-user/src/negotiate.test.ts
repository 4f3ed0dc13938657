import {
  type OffloadOptions,
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_RSS,
  VIRTIO_NET_F_STATUS,
} from '@vio/net';
import {
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { parseConfig } from './config.ts';
import { failureOf } from './failure.fixture.ts';
import { negotiate } from './negotiate.ts';

const path = '/tmp/vio-nobody-has-this.sock';
const controlBits =
  VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN | VIRTIO_NET_F_CTRL_MAC_ADDR;
const everything = (1n << 64n) - 1n;
const config = (more = {}) => parseConfig({ path, ...more });

describe('the backend is told', () => {
  it('what DPDK asks for by default', () => {
    const { backend } = negotiate(config(), everything);
    expect(backend).toBe(
      VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_IN_ORDER | VIRTIO_NET_F_MRG_RXBUF,
    );
  });

  it.each([
    ['mrg_rxbuf', VIRTIO_NET_F_MRG_RXBUF],
    ['in_order', VIRTIO_F_IN_ORDER],
  ])('nothing of what %s=0 switches off', (key, bit) => {
    expect(negotiate(config({ [key]: false }), everything).backend & bit).toBe(0n);
  });

  it.each([
    ['packed_vq=1', { packed_vq: true }, VIRTIO_F_RING_PACKED],
    ['queues=2', { queues: 2 }, VIRTIO_NET_F_MQ],
  ])('what %s needs', (_, options, bit) => {
    expect(negotiate(config(options), everything).backend & bit).toBe(bit);
  });

  it('nothing that it did not offer', () => {
    const offered = VIRTIO_F_VERSION_1 | VIRTIO_F_IN_ORDER;
    expect(negotiate(config(), offered).backend).toBe(offered);
  });

  it('nothing at all if it offers nothing', () => {
    expect(negotiate(config(), 0n).backend).toBe(0n);
  });

  it('nothing modern if it is not', () => {
    const legacy = everything & ~VIRTIO_F_VERSION_1;
    expect(negotiate(config(), legacy).backend & VIRTIO_F_IN_ORDER).toBe(0n);
  });

  it('ANY_LAYOUT if it is not modern, where it is implied', () => {
    const told = [everything, everything & ~VIRTIO_F_VERSION_1].map(
      (offered) => (negotiate(config(), offered).backend & VIRTIO_F_ANY_LAYOUT) !== 0n,
    );
    expect(told).toEqual([false, true]);
  });

  it('nothing of the control queue when it only says that it leaves that to the frontend', () => {
    const offered = everything & ~VIRTIO_NET_F_CTRL_MAC_ADDR;
    const { backend, control } = negotiate(config({ queues: 2 }), offered);
    expect([backend & controlBits, control]).toEqual([0n, 'emulated']);
  });

  it('that its control queue is used, when it has one', () => {
    const { backend, control } = negotiate(config({ cq: true }), everything);
    expect([backend & controlBits, control]).toEqual([controlBits, 'ring']);
  });

  it('of a control queue what the caller says, who may know better', () => {
    const lone = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_VQ;
    const kinds = [everything, lone].map((offered) =>
      (['emulated', 'backend'] as const).map(
        (controlQueue) => negotiate(config({ cq: true }), offered, {}, { controlQueue }).control,
      ),
    );
    expect(kinds).toEqual([
      ['emulated', 'ring'],
      ['emulated', 'ring'],
    ]);
  });

  it('nothing, if its control queue is wanted and it has none', () => {
    const negotiating = (): unknown =>
      negotiate(config({ cq: true }), VIRTIO_F_VERSION_1, {}, { controlQueue: 'backend' });
    expect(failureOf(negotiating)).toMatchObject({
      code: 'VIO_FEATURE_MISSING',
      message: expect.stringContaining('CTRL_VQ'),
    });
  });

  it('nothing of a control queue that nobody asked for', () => {
    const { features, control } = negotiate(config(), everything);
    expect([features & controlBits, control]).toEqual([0n, 'none']);
  });
});

describe('the port has', () => {
  it.each([
    ['cq=1', { cq: true }],
    ['several queue pairs', { queues: 2 }],
  ])('a control queue of its own with %s, whatever the backend offers', (_, options) => {
    const offered = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MQ;
    expect(negotiate(config(options), offered).features & controlBits).toBe(controlBits);
  });

  it('neither RSS nor hash reports unless they are asked for', () => {
    const hashBits = VIRTIO_NET_F_RSS | VIRTIO_NET_F_HASH_REPORT;
    const of = (offloads: OffloadOptions): bigint =>
      negotiate(config({ queues: 2 }), everything, offloads).features & hashBits;
    expect([of({}), of({ rss: true, hashReport: true })]).toEqual([0n, hashBits]);
  });

  it('no receive offloads to turn off without any', () => {
    const of = (offloads: OffloadOptions): bigint =>
      negotiate(config({ cq: true }), everything, offloads).features & VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
    expect([of({}), of({ rxChecksum: true })]).toEqual([0n, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS]);
  });

  it('an address and a link, which are its own', () => {
    const own = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;
    const { features, backend } = negotiate(config(), 0n);
    expect([features & own, backend & own]).toEqual([own, 0n]);
  });

  it('names for what was wanted and not offered', () => {
    const { missing } = negotiate(config(), everything & ~VIRTIO_F_IN_ORDER & ~VIRTIO_NET_F_MRG_RXBUF);
    expect(missing.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['IN_ORDER', 'MRG_RXBUF']);
  });
});

describe('an offload that there is not', () => {
  it('is an error that names it', () => {
    const misspelt: object = { rxCheksum: true };
    expect(failureOf(() => negotiate(config(), everything, misspelt))).toMatchObject({
      code: 'VIO_OPTION_UNKNOWN',
      message: 'offloads has no option "rxCheksum"',
    });
  });
});

describe('devargs that cannot be met are an error:', () => {
  it.each([
    ['packed_vq=1', 'RING_PACKED', { packed_vq: true }, everything & ~VIRTIO_F_RING_PACKED],
    ['packed_vq=1', 'RING_PACKED', { packed_vq: true }, everything & ~VIRTIO_F_VERSION_1],
    ['queues=2', 'MQ', { queues: 2 }, everything & ~VIRTIO_NET_F_MQ],
  ])('%s without %s', (devarg, feature, options, offered) => {
    const error = failureOf(() => negotiate(config(options), offered));
    expect(error.code).toBe('VIO_FEATURE_MISSING');
    expect(error.message).toContain(`${devarg} needs the feature ${feature}`);
  });
});
