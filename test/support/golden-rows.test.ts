// The path election agrees with what DPDK logs for each of its rows.
import { VIRTIO_NET_F_MRG_RXBUF, type PathName, electPaths } from '@vio/net';
import { pathLogLine } from '@vio/net/internal';
import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { goldenRows } from './golden-rows.ts';

const everyPath: PathName[] = ['split vectorized Rx', 'packed vectorized Rx', 'packed vectorized Tx'];

describe.each(goldenRows)('$name', (row) => {
  it('is elected as in DPDK, were its vectorised paths built', () => {
    const { rx, tx } = electPaths({
      features:
        VIRTIO_F_VERSION_1 |
        (row.packed ? VIRTIO_F_RING_PACKED : 0n) |
        (row.mergeable ? VIRTIO_NET_F_MRG_RXBUF : 0n) |
        (row.inOrder ? VIRTIO_F_IN_ORDER : 0n),
      vectorized: row.vectorized,
      available: everyPath,
    });
    expect([pathLogLine(rx, 0), pathLogLine(tx, 0)]).toEqual([
      `virtio: using ${row.dpdkPaths.rx} on port 0`,
      `virtio: using ${row.dpdkPaths.tx} on port 0`,
    ]);
  });
});
