import { VioError } from '@vio/native';
import { describe, expect, it } from 'vitest';
import { codeOf } from '@vio/test-support';
import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4 } from '../feature-bits.ts';
import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4 } from '../offload/packet-offloads.ts';
import { wiredPort } from '../test-support/wired-port.ts';
import { modern, frameOf } from '../test-support/wire.ts';
import { checkMtu, maxMtu, minMtu } from './frame-rules.ts';
import { sendFrames, taggedFrame } from '../test-support/tagged-frames.ts';

describe('checkMtu', () => {
  it.each([undefined, minMtu, 1500, maxMtu])('allows %s', (mtu) => {
    expect(() => checkMtu(mtu)).not.toThrow();
  });

  it.each([0, 67, maxMtu + 1, 1500.5, NaN])('refuses %d', (mtu) => {
    expect(() => checkMtu(mtu)).toThrow(expect.objectContaining({ constructor: VioError, code: 'VIO_MTU' }));
  });
});

describe('a port with an MTU of 100', () => {
  const rules = { mtu: 100 };

  it.each([
    [114, 0],
    [118, 1],
    [122, 2],
  ])('sends a frame of %i bytes with %i tags', (length, tags) => {
    using port = wiredPort({ rules });
    sendFrames(port, [taggedFrame(length, tags)]);
    expect(port.wires[0].take().map(({ frame }) => frame)).toEqual([taggedFrame(length, tags)]);
  });

  it.each([
    [115, 0],
    [119, 1],
    [123, 2],
  ])('drops a frame of %i bytes with %i tags, and counts it', (length, tags) => {
    using port = wiredPort({ rules });
    expect(sendFrames(port, [taggedFrame(length, tags)])).toBe(1);
    expect(port.wires[0].take()).toEqual([]);
    expect(port.stats()).toMatchObject({ tx_q0_dropped_oversize_packets: 1, tx_q0_good_packets: 0 });
  });

  it('sends what is around a frame that is too large, in order, and keeps no buffer', () => {
    using port = wiredPort({ rules });
    const frames = [200, 60, 201, 202, 61, 203].map((length) => frameOf(length));
    expect(sendFrames(port, frames)).toBe(6);
    const sent = port.wires[0].take().map(({ frame }) => frame.length);
    port.tx[0].reap();
    expect([sent, port.pool.free + port.rx[0].queue.outstanding]).toEqual([[60, 61], port.pool.count]);
  });

  it('drops a received frame that is too large, and counts it', () => {
    using port = wiredPort({ rules });
    for (const length of [115, 60, 300, 114]) port.deliver(frameOf(length));
    const burst = port.burst();
    port.rx[0].receive(burst);
    expect([...burst.length.subarray(0, burst.count)]).toEqual([60, 114]);
    burst.release();
    expect(port.stats()).toMatchObject({ rx_q0_dropped_oversize_packets: 2, rx_q0_good_packets: 4 });
    expect(port.pool.free + port.rx[0].queue.outstanding).toBe(port.pool.count);
  });

  it('refuses to send a frame that is too large the convenient way, and counts it', async () => {
    using port = wiredPort({ rules });
    expect(await codeOf(port.send(frameOf(115)))).toBe('VIO_FRAME_SIZE');
    expect(port.stats()).toMatchObject({ tx_q0_dropped_oversize_packets: 1 });
  });

  it('lets a packet through that the device cuts', () => {
    using port = wiredPort({
      rules,
      features: modern | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4,
    });
    sendFrames(port, [frameOf(200)], (burst) => {
      burst.offloads?.flags.fill(HDR_F_NEEDS_CSUM, 0, 1);
      burst.offloads?.gsoType.fill(HDR_GSO_TCPV4, 0, 1);
    });
    expect(port.wires[0].take()).toHaveLength(1);
  });
});

describe('a port without rules', () => {
  it('has no limit but that of frames', () => {
    using port = wiredPort({ dataRoom: 2048 });
    sendFrames(port, [frameOf(9728)]);
    expect(port.wires[0].take().map(({ frame }) => frame.length)).toEqual([9728]);
  });

  it('has bursts without a place for tags', () => {
    using port = wiredPort();
    expect(port.burst().vlan).toBe(undefined);
  });
});
