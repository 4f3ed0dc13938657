// A tap's descriptor behaves as one end of a pair of sockets whose messages are read one by one.
import { UnixStream } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { until } from '@vio/test-support';
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

const content = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i & 0xff);

describe('a tap', () => {
  it.each([60, 1514, 9014])('carries frames of %d bytes both ways', async (bytes) => {
    using tap = pair();
    await tap.send(content(bytes));
    expect([tap.receive(), tap.burst.length[0]]).toEqual([1, bytes]);
    expect([tap.link.deliver(tap.burst, 0, 1), tap.read()]).toEqual([0, content(bytes)]);
    tap.burst.release();
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
