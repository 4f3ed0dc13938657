import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_MRG_RXBUF } from './feature-bits.ts';
import { type PathInput, type PathName, electPaths, pathLogLine, pathLogLines } from './paths.ts';

const modern = VIRTIO_F_VERSION_1;
const packed = VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED;
const inOrder = VIRTIO_F_IN_ORDER;
const mergeable = VIRTIO_NET_F_MRG_RXBUF;

const vectorPaths: PathName[] = ['split vectorized Rx', 'packed vectorized Rx', 'packed vectorized Tx'];

const scalar = (features: bigint): PathInput => ({
  features,
  vectorized: false,
});

/** Everything that vectorised paths need but the features. */
const vector = (features: bigint, more: Partial<PathInput> = {}): PathInput => ({
  features,
  vectorized: true,
  available: vectorPaths,
  ...more,
});

const reasonAgainst = (path: PathName, input: PathInput): string | undefined => {
  const { rx, tx } = electPaths(input);
  return [...rx.refused, ...tx.refused].find((refusal) => refusal.path === path)?.reason;
};

describe('the elected paths', () => {
  it.each([
    ['packed mergeable', scalar(packed | mergeable)],
    ['packed non-mergeable', scalar(packed)],
    ['packed in-order mergeable', scalar(packed | inOrder | mergeable)],
    ['packed in-order non-mergeable', scalar(packed | inOrder)],
    ['packed vectorized Rx', vector(packed | inOrder)],
    ['split mergeable', scalar(modern | mergeable)],
    ['split non-mergeable', scalar(modern)],
    ['split vectorized Rx', vector(modern)],
    ['split vectorized Rx', { ...scalar(modern), txqFlags: 0xf01 }],
    ['split in-order mergeable', scalar(modern | inOrder | mergeable)],
    ['split in-order non-mergeable', scalar(modern | inOrder)],
  ] as const)('receive: %s', (path, input) => {
    expect(electPaths(input).rx.path).toBe(path);
  });

  it.each([
    ['packed standard Tx', scalar(packed)],
    ['packed standard Tx', scalar(packed | inOrder)],
    ['packed vectorized Tx', vector(packed | inOrder)],
    ['packed vectorized Tx', vector(packed | inOrder | mergeable)],
    ['split standard Tx', scalar(modern)],
    ['split standard Tx', vector(modern)],
    ['split in-order Tx', scalar(modern | inOrder)],
    ['split simple Tx', { ...scalar(modern), txqFlags: 0xf01 }],
    ['split simple Tx', { ...scalar(modern), txqFlags: 0xf07 }],
    ['split in-order Tx', { ...scalar(modern | inOrder), txqFlags: 0xf01 }],
  ] as const)('transmit: %s', (path, input) => {
    expect(electPaths(input).tx.path).toBe(path);
  });

  it('are the scalar ones where this build has no others', () => {
    const { rx, tx } = electPaths(vector(packed | inOrder, { available: [] }));
    expect([rx.path, tx.path]).toEqual(['packed in-order non-mergeable', 'packed standard Tx']);
  });

  it('say what elected them', () => {
    const { rx, tx } = electPaths(scalar(modern | inOrder | mergeable));
    expect([rx.reason, tx.reason]).toEqual([
      'no RING_PACKED, IN_ORDER, MRG_RXBUF',
      'no RING_PACKED, IN_ORDER',
    ]);
  });
});

describe("DPDK's callbacks and log lines", () => {
  it.each([
    [scalar(modern), 'virtio_recv_pkts', 'virtio: using standard Rx path on port 3'],
    [
      scalar(modern | mergeable),
      'virtio_recv_mergeable_pkts',
      'virtio: using mergeable buffer Rx path on port 3',
    ],
    [scalar(modern | inOrder), 'virtio_recv_pkts_inorder', 'virtio: using inorder Rx path on port 3'],
    [
      scalar(modern | inOrder | mergeable),
      'virtio_recv_pkts_inorder',
      'virtio: using inorder Rx path on port 3',
    ],
    [vector(modern), 'virtio_recv_pkts_vec', 'virtio: using vectorized Rx path on port 3'],
    [scalar(packed), 'virtio_recv_pkts_packed', 'virtio: using packed ring standard Rx path on port 3'],
    [
      scalar(packed | inOrder),
      'virtio_recv_pkts_packed',
      'virtio: using packed ring standard Rx path on port 3',
    ],
    [
      scalar(packed | inOrder | mergeable),
      'virtio_recv_mergeable_pkts_packed',
      'virtio: using packed ring mergeable buffer Rx path on port 3',
    ],
    [
      vector(packed | inOrder),
      'virtio_recv_pkts_packed_vec',
      'virtio: using packed ring vectorized Rx path on port 3',
    ],
  ] as const)('of receiving: %#', (input, callback, line) => {
    const { rx } = electPaths(input);
    expect([rx.callback, pathLogLine(rx, 3)]).toEqual([callback, line]);
  });

  it.each([
    [scalar(modern), 'virtio_xmit_pkts', 'virtio: using standard Tx path on port 0'],
    [scalar(modern | inOrder), 'virtio_xmit_pkts_inorder', 'virtio: using inorder Tx path on port 0'],
    [
      { ...scalar(modern), txqFlags: 0xf01 },
      'virtio_xmit_pkts_simple',
      'virtio: using simple Tx path on port 0',
    ],
    [scalar(packed), 'virtio_xmit_pkts_packed', 'virtio: using packed ring standard Tx path on port 0'],
    [
      vector(packed | inOrder),
      'virtio_xmit_pkts_packed_vec',
      'virtio: using packed ring vectorized Tx path on port 0',
    ],
  ] as const)('of transmitting: %#', (input, callback, line) => {
    const { tx } = electPaths(input);
    expect([tx.callback, pathLogLine(tx, 0)]).toEqual([callback, line]);
  });
});

describe('what is logged', () => {
  const lines = (input: PathInput): string[] => pathLogLines(electPaths(input), input.vectorized, 3).slice(2);

  it.each<[string, PathInput, string[]]>([
    ['nothing more when nothing vectorised was asked for', scalar(modern), []],
    ['nothing more when all is vectorised', vector(packed | inOrder), []],
    [
      'why not, in both directions',
      vector(packed | inOrder | mergeable, { offloads: { transmit: true } }),
      [
        'virtio: no vectorized Rx path on port 3: MRG_RXBUF negotiated',
        'virtio: no vectorized Tx path on port 3: a transmit offload was requested',
      ],
    ],
    [
      'that split rings have no such transmit path',
      vector(modern),
      ['virtio: no vectorized Tx path on port 3: split rings have none'],
    ],
    [
      'why there is no simple path, where it was asked for',
      { ...scalar(modern | mergeable), txqFlags: 0xf01 },
      ['virtio: no simple Tx path on port 3: MRG_RXBUF negotiated'],
    ],
  ])('besides the paths: %s', (_what, input, expected) => {
    expect(lines(input)).toEqual(expected);
  });
});

describe('the reason against', () => {
  it.each<[PathName, PathInput, string]>([
    ['packed vectorized Rx', vector(modern), 'RING_PACKED not negotiated'],
    ['packed vectorized Rx', vector(packed), 'IN_ORDER not negotiated'],
    ['packed vectorized Rx', vector(VIRTIO_F_RING_PACKED | inOrder), 'VERSION_1 not negotiated'],
    ['packed vectorized Rx', vector(packed | inOrder | mergeable), 'MRG_RXBUF negotiated'],
    ['packed vectorized Rx', vector(packed | inOrder, { offloads: { lro: true } }), 'LRO requested'],
    ['packed vectorized Rx', vector(packed | inOrder, { offloads: { hash: true } }), 'RSS hash requested'],
    ['packed vectorized Rx', vector(packed | inOrder, { vectorized: false }), 'vectorized=0'],
    ['packed vectorized Rx', vector(packed | inOrder, { available: [] }), 'this build has no such path'],
    ['packed vectorized Tx', vector(modern), 'RING_PACKED not negotiated'],
    [
      'packed vectorized Tx',
      vector(packed | inOrder, { offloads: { transmit: true } }),
      'a transmit offload was requested',
    ],
    ['packed vectorized Tx', vector(packed), 'IN_ORDER not negotiated'],
    ['packed vectorized Tx', vector(packed | inOrder, { vectorized: false }), 'vectorized=0'],
    ['split vectorized Rx', vector(packed), 'RING_PACKED negotiated'],
    ['split vectorized Rx', vector(modern | inOrder), 'IN_ORDER negotiated'],
    ['split vectorized Rx', vector(modern | mergeable), 'MRG_RXBUF negotiated'],
    ['split vectorized Rx', vector(modern, { offloads: { lro: true } }), 'a receive offload was requested'],
    [
      'split vectorized Rx',
      vector(modern, { offloads: { checksum: true } }),
      'a receive offload was requested',
    ],
    [
      'split vectorized Rx',
      vector(modern, { offloads: { vlanStrip: true } }),
      'a receive offload was requested',
    ],
    ['split vectorized Rx', vector(modern, { vectorized: false }), 'vectorized=0'],
    ['split vectorized Rx', vector(modern, { available: [] }), 'this build has no such path'],
    ['packed mergeable', scalar(modern), 'RING_PACKED not negotiated'],
    ['packed mergeable', scalar(packed | inOrder), 'IN_ORDER negotiated'],
    ['packed mergeable', scalar(packed), 'MRG_RXBUF not negotiated'],
    ['packed non-mergeable', scalar(packed | mergeable), 'MRG_RXBUF negotiated'],
    ['packed in-order mergeable', scalar(packed | mergeable), 'IN_ORDER not negotiated'],
    ['packed in-order non-mergeable', scalar(packed | inOrder | mergeable), 'MRG_RXBUF negotiated'],
    ['packed in-order non-mergeable', vector(packed | inOrder), 'packed vectorized Rx is preferred'],
    ['split mergeable', scalar(packed), 'RING_PACKED negotiated'],
    ['split mergeable', scalar(modern), 'MRG_RXBUF not negotiated'],
    ['split non-mergeable', scalar(modern | inOrder), 'IN_ORDER negotiated'],
    ['split non-mergeable', vector(modern), 'split vectorized Rx is preferred'],
    ['split in-order mergeable', scalar(modern), 'IN_ORDER not negotiated'],
    ['split in-order non-mergeable', scalar(modern | inOrder | mergeable), 'MRG_RXBUF negotiated'],
    ['packed standard Tx', scalar(modern), 'RING_PACKED not negotiated'],
    ['packed standard Tx', vector(packed | inOrder), 'packed vectorized Tx is preferred'],
    ['split in-order Tx', scalar(packed | inOrder), 'RING_PACKED negotiated'],
    ['split in-order Tx', scalar(modern), 'IN_ORDER not negotiated'],
    ['split simple Tx', scalar(modern), 'txq_flags do not say single segments and no offload (0xf01)'],
    [
      'split simple Tx',
      { ...scalar(modern), txqFlags: 0xf00 },
      'txq_flags do not say single segments and no offload (0xf01)',
    ],
    ['split simple Tx', { ...scalar(packed), txqFlags: 0xf01 }, 'RING_PACKED negotiated'],
    ['split simple Tx', { ...scalar(modern | inOrder), txqFlags: 0xf01 }, 'IN_ORDER negotiated'],
    ['split simple Tx', { ...scalar(modern | mergeable), txqFlags: 0xf01 }, 'MRG_RXBUF negotiated'],
    ['split simple Tx', { ...scalar(0n), txqFlags: 0xf01 }, 'headers have descriptors of their own'],
    [
      'split simple Tx',
      { ...scalar(modern), txqFlags: 0xf01, offloads: { transmit: true } },
      'a transmit offload was requested',
    ],
    [
      'split simple Tx',
      { ...scalar(modern), txqFlags: 0xf01, offloads: { vlanInsert: true } },
      'a transmit offload was requested',
    ],
    ['split standard Tx', { ...scalar(modern), txqFlags: 0xf01 }, 'split simple Tx is preferred'],
    ['split standard Tx', scalar(packed), 'RING_PACKED negotiated'],
    ['split standard Tx', scalar(modern | inOrder), 'IN_ORDER negotiated'],
  ])('%s: %#', (path, input, reason) => {
    expect(reasonAgainst(path, input)).toBe(reason);
  });
});

describe('every input', () => {
  const subset = fc
    .subarray([VIRTIO_F_VERSION_1, VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, VIRTIO_NET_F_MRG_RXBUF])
    .map((bits) => bits.reduce((mask, bit) => mask | bit, 0n));
  const input: fc.Arbitrary<PathInput> = fc.record({
    features: subset,
    vectorized: fc.boolean(),
    txqFlags: fc.constantFrom(0, 0xf00, 0xf01),
    available: fc.subarray(vectorPaths),
    offloads: fc.record({
      lro: fc.boolean(),
      checksum: fc.boolean(),
      vlanStrip: fc.boolean(),
      hash: fc.boolean(),
      transmit: fc.boolean(),
    }),
  });

  it('has one path of ten to receive and one of five to transmit, and a reason against each other', () => {
    fc.assert(
      fc.property(input, (any) => {
        const { rx, tx } = electPaths(any);
        const names = (choice: typeof rx) =>
          new Set([choice.path, ...choice.refused.map(({ path }) => path)]);
        expect([names(rx).size, names(tx).size]).toEqual([10, 5]);
        expect([...rx.refused, ...tx.refused].filter(({ reason }) => reason === '')).toEqual([]);
      }),
    );
  });

  it('never gets a vectorised path that was not asked for or is not built', () => {
    fc.assert(
      fc.property(input, (any) => {
        const { rx, tx } = electPaths(any);
        const elected = [rx.path, tx.path].filter((path) => path.includes('vectorized'));
        const asked: PathName[] = any.txqFlags === 0xf01 ? ['split vectorized Rx'] : [];
        const allowed = (any.vectorized ? vectorPaths : asked).filter((path) =>
          any.available?.includes(path),
        );
        expect(elected.filter((path) => !allowed.includes(path))).toEqual([]);
      }),
    );
  });
});

describe('counters of multicast and broadcast frames', () => {
  it.each<[string, PathInput, boolean[]]>([
    ['are had by scalar paths', scalar(modern), [true, true]],
    ['are had by none where nobody wants them', { ...scalar(modern), groupCounters: false }, [false, false]],
    ['are had by no vectorised path', { ...vector(packed | inOrder), groupCounters: true }, [false, false]],
    ['are those of each direction', vector(modern), [false, true]],
  ])('%s', (_what, input, counted) => {
    const { rx, tx } = electPaths(input);
    expect([rx.groupCounters, tx.groupCounters]).toEqual(counted);
  });
});
