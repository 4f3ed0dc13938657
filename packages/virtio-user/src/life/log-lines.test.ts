// What a port says when it is opened: whatever was asked for and is not so.
import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU } from '@vio/net';
import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { VHOST_USER_PROTOCOL_F_NET_MTU } from '@vio/vhost';
import { describe, expect, it } from 'vitest';
import { ListeningBackend, allProtocolFeatures } from '../test-support/listening-backend.ts';
import type { VirtioUserOptions } from '../config/config.ts';
import type { OpenOptions } from '../config/open-options.ts';

const usual =
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_F_IN_ORDER |
  VIRTIO_NET_F_MRG_RXBUF |
  VIRTIO_NET_F_MQ |
  VIRTIO_NET_F_CTRL_VQ;

/** A port on a backend with these features: what it logged besides its paths, and what it misses. */
async function opened(
  features: bigint,
  devargs: Omit<VirtioUserOptions, 'path'> = {},
  options: OpenOptions = {},
  protocolFeatures = allProtocolFeatures,
): Promise<{ lines: string[]; missing: readonly string[]; filters: boolean }> {
  await using backend = new ListeningBackend({ features, protocolFeatures });
  const lines: string[] = [];
  const port = await backend.open(devargs, {
    memory: { hugepages: 'none' }, // of which it says something, where this machine has some
    ...options,
    portNumber: 7,
    log: (line) => lines.push(line),
  });
  expect(lines.splice(0, 2).map((line) => /virtio: using .* path on port 7/.test(line))).toEqual([
    true,
    true,
  ]);
  return { lines, missing: port.missing, filters: port.control.filters };
}

describe('a port that is opened', () => {
  it('says nothing but its paths when it has all it asked for', async () => {
    expect(await opened(usual)).toEqual({ lines: [], missing: [], filters: true });
  });

  it('names the features that are not offered', async () => {
    const { lines, missing } = await opened(usual & ~VIRTIO_F_IN_ORDER & ~VIRTIO_NET_F_MRG_RXBUF);
    expect(missing.toSorted()).toEqual(['IN_ORDER', 'MRG_RXBUF']);
    expect(lines).toEqual([`virtio: the backend of port 7 does not offer ${missing.join(', ')}`]);
  });

  it('does not miss what it was told to do without', async () => {
    const without = usual & ~VIRTIO_F_IN_ORDER & ~VIRTIO_NET_F_MRG_RXBUF;
    expect((await opened(without, { in_order: false, mrg_rxbuf: false })).missing).toEqual([]);
  });

  it('misses what is offered without its prerequisite', async () => {
    expect((await opened(usual & ~VIRTIO_F_VERSION_1)).missing.toSorted()).toEqual(['IN_ORDER', 'VERSION_1']);
  });

  it('names event indexes that were asked for', async () => {
    const [without, withThem] = [usual, usual | VIRTIO_F_EVENT_IDX];
    expect((await opened(without, {}, { eventIdx: true })).missing).toEqual(['EVENT_IDX']);
    expect((await opened(withThem, {}, { eventIdx: true })).missing).toEqual([]);
  });

  it('says when the backend cannot be told the MTU', async () => {
    const able = allProtocolFeatures | VHOST_USER_PROTOCOL_F_NET_MTU;
    const missing = async (features: bigint, protocol: bigint): Promise<readonly string[]> =>
      (await opened(features, {}, { mtu: 1400 }, protocol)).missing;
    expect(await missing(usual | VIRTIO_NET_F_MTU, able)).toEqual([]);
    expect(await missing(usual, able)).toEqual(['MTU']);
    expect(await missing(usual | VIRTIO_NET_F_MTU, allProtocolFeatures)).toEqual(['MTU']);
  });

  it.each([
    ['cq=1', { cq: true }],
    ['queues=2', { queues: 2 }],
  ])('says that filters of an emulated control queue (%s) filter nothing', async (_, devargs) => {
    const { lines, filters } = await opened(usual, devargs);
    expect(lines).toEqual([
      'virtio: the control queue of port 7 is emulated: filters are accepted, and everything arrives',
    ]);
    expect(filters).toBe(false);
  });

  it('says why vectorised paths were not elected', async () => {
    const { lines } = await opened(usual, { vectorized: true, mrg_rxbuf: false });
    expect(lines).toEqual([
      'virtio: no vectorized Rx path on port 7: IN_ORDER negotiated',
      'virtio: no vectorized Tx path on port 7: split rings have none',
    ]);
  });

  it('has no vectorised receive path on a split ring when VLAN tags are stripped, as DPDK', async () => {
    const devargs = { vectorized: true, mrg_rxbuf: false, in_order: false };
    const { lines } = await opened(usual, devargs, { vlan: { strip: true } });
    expect(lines).toContain('virtio: no vectorized Rx path on port 7: a receive offload was requested');
  });
});
