// A tap's descriptor behaves as one end of a pair of sockets whose messages are read one by one.
import { UnixStream } from '@vio/native';
import { HDR_F_NEEDS_CSUM, HDR_GSO_NONE, HDR_GSO_TCPV4, PacketBurst } from '@vio/net';
import { writeFrames } from '@vio/net/testing';
import { privatePool } from '@vio/rings/testing';
import { content, isComplete, naiveChecksum, tcpSegment, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { TapLink } from './tap-link.ts';

function pair(buffers = 64) {
  const [kernel, ours] = UnixStream.pair();
  let woken = 0;
  const link = new TapLink(
    { fds: [ours.fd], name: 'tap0', mac: '02:00:00:00:00:01', up: true },
    () => woken++,
  );
  const pool = privatePool(buffers);
  const burst = new PacketBurst(32);
  return {
    kernel,
    link,
    pool,
    burst,
    get woken() {
      return woken;
    },
    send: (bytes: Uint8Array) => kernel.send(bytes),
    receive: () => link.receive(0, pool, burst),
    read: () => {
      const target = new Uint8Array(70_000);
      const got = kernel.receive(target);
      return target.subarray(0, got?.bytes ?? 0);
    },
    [Symbol.dispose]() {
      link.close();
      kernel.close();
      ours.close();
    },
  };
}

describe('a tap', () => {
  it.each([60, 1514, 9014])('carries frames of %d bytes both ways', async (bytes) => {
    using tap = pair();
    await tap.send(content(bytes));
    expect([tap.receive(), tap.burst.length[0]]).toEqual([1, bytes]);
    expect([tap.link.deliver(tap.burst, 0, 1), tap.read()]).toEqual([0, content(bytes)]);
    tap.burst.release();
    expect(tap.pool.free).toBe(64);
  });

  it('gets packets whole that leave work to others: checksums, and segments', () => {
    using tap = pair();
    const burst = new PacketBurst(8, { offloads: true });
    const checked = tcpSegment(100);
    // The pseudo-header's sum is where the checksum is to be.
    const pseudo = Uint8Array.of(...checked.subarray(26, 34), 0, 6, 0, 120);
    new DataView(checked.buffer).setUint16(50, ~naiveChecksum(pseudo));
    writeFrames(tap.pool, burst, [checked, tcpSegment(3000)]);
    const { offloads } = burst;
    offloads?.flags.fill(HDR_F_NEEDS_CSUM, 0, 2);
    offloads?.gsoType.set([HDR_GSO_NONE, HDR_GSO_TCPV4]);
    offloads?.segmentSize.fill(1000, 0, 2);
    offloads?.checksumStart.fill(34, 0, 2);
    offloads?.checksumOffset.fill(16, 0, 2);
    expect(tap.link.deliver(burst, 0, 2)).toBe(0);
    // A stream has no borders between them.
    const read = tap.read();
    const frames = [0, 154, 1208, 2262].map((from, k) => read.subarray(from, from + (k === 0 ? 154 : 1054)));
    expect([read.length, frames.every(isComplete)]).toEqual([3316, true]);
    burst.release();
    expect(tap.pool.free).toBe(64);
  });

  it('keeps a frame for which there is no buffer until there is one', async () => {
    using tap = pair(2);
    await tap.send(content(9014));
    expect([tap.receive(), tap.link.arm()]).toEqual([0, true]);
  });

  it('wakes who sleeps when a frame comes', async () => {
    using tap = pair();
    expect([tap.receive(), tap.link.arm()]).toEqual([0, false]);
    await tap.send(content(60));
    await until(() => tap.woken > 0);
    expect([tap.woken, tap.receive()]).toEqual([1, 1]);
  });

  it('moves nothing once it is closed', async () => {
    using tap = pair();
    await tap.send(content(60));
    tap.receive();
    tap.link.close();
    expect([tap.link.deliver(tap.burst, 0, 1), tap.receive()]).toEqual([1, 0]);
  });
});
