import { VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED } from '@vio/rings';

/**
 * The ten sets of device arguments that DPDK's test suites run every virtio-user and vhost case with: one for each
 * receive and transmit path of a virtio-user device.
 */
export interface GoldenRow {
  readonly name: string;
  readonly devargs: string;
  readonly packed: boolean;
  /** Frames may be spread over several receive buffers: 9000 bytes get through. */
  readonly mergeable: boolean;
  readonly inOrder: boolean;
  readonly vectorized: boolean;
  /** What DPDK 22.11 logs about the paths it takes, on a CPU with AVX-512 where it matters. */
  readonly dpdkPaths: { readonly rx: string; readonly tx: string };
}

/** What of a row shows in the negotiated features. */
export function negotiated(features: bigint): Pick<GoldenRow, 'packed' | 'mergeable' | 'inOrder'> {
  return {
    packed: (features & VIRTIO_F_RING_PACKED) !== 0n,
    mergeable: (features & VIRTIO_NET_F_MRG_RXBUF) !== 0n,
    inOrder: (features & VIRTIO_F_IN_ORDER) !== 0n,
  };
}

type Row = Omit<GoldenRow, 'devargs' | 'dpdkPaths'>;

function goldenRow(row: Row, rx: string, tx: string): GoldenRow {
  const devargs = [
    ...(row.packed ? ['packed_vq=1'] : []),
    `mrg_rxbuf=${row.mergeable ? 1 : 0}`,
    `in_order=${row.inOrder ? 1 : 0}`,
    ...(row.vectorized ? ['vectorized=1'] : []),
  ];
  return { ...row, devargs: devargs.join(','), dpdkPaths: { rx, tx } };
}

const packed = { packed: true, vectorized: false };
const split = { packed: false, vectorized: false };

export const goldenRows: readonly GoldenRow[] = [
  goldenRow(
    { name: 'packed mergeable', ...packed, mergeable: true, inOrder: false },
    'packed ring mergeable buffer Rx path',
    'packed ring standard Tx path',
  ),
  goldenRow(
    { name: 'packed non-mergeable', ...packed, mergeable: false, inOrder: false },
    'packed ring standard Rx path',
    'packed ring standard Tx path',
  ),
  goldenRow(
    { name: 'packed in-order mergeable', ...packed, mergeable: true, inOrder: true },
    'packed ring mergeable buffer Rx path',
    'packed ring standard Tx path',
  ),
  goldenRow(
    { name: 'packed in-order non-mergeable', ...packed, mergeable: false, inOrder: true },
    'packed ring standard Rx path',
    'packed ring standard Tx path',
  ),
  goldenRow(
    { name: 'packed vectorized', packed: true, vectorized: true, mergeable: false, inOrder: true },
    'packed ring vectorized Rx path',
    'packed ring vectorized Tx path',
  ),
  goldenRow(
    { name: 'split mergeable', ...split, mergeable: true, inOrder: false },
    'mergeable buffer Rx path',
    'standard Tx path',
  ),
  goldenRow(
    { name: 'split non-mergeable', ...split, mergeable: false, inOrder: false },
    'standard Rx path',
    'standard Tx path',
  ),
  goldenRow(
    { name: 'split vectorized', packed: false, vectorized: true, mergeable: false, inOrder: false },
    'vectorized Rx path',
    'standard Tx path',
  ),
  goldenRow(
    { name: 'split in-order mergeable', ...split, mergeable: true, inOrder: true },
    'inorder Rx path',
    'inorder Tx path',
  ),
  goldenRow(
    { name: 'split in-order non-mergeable', ...split, mergeable: false, inOrder: true },
    'inorder Rx path',
    'inorder Tx path',
  ),
];

/** The rows that measure one scalar path against another. */
export const scalarRows = goldenRows.filter((row) => !row.vectorized);

/** Frame lengths in bytes a row must carry. */
export function frameSizes(row: GoldenRow): number[] {
  return row.mergeable ? [64, 1518, 9000] : [64, 1518];
}
