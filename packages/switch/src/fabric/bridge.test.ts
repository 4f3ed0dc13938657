// The forwarding core with links that only write down what they are given.
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { broadcast, frame, macOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import type { Link } from './link.ts';
import { Bridge } from './bridge.ts';
import { MacTable } from './mac-table.ts';
import { type PortCounterName, counterRecord } from './port-counters.ts';
import { SwitchPort } from './switch-port.ts';

const pool = privatePool();

class NotingLink implements Link {
  readonly queues = 1;
  readonly got: Uint8Array[] = [];
  readonly #room: number;

  constructor(room = Number.POSITIVE_INFINITY) {
    this.#room = room;
  }

  receive(): number {
    return 0;
  }

  deliver(burst: PacketBurst, from: number, count: number): number {
    const taken = Math.min(count, this.#room);
    for (let i = from; i < from + taken; i++)
      this.got.push(pool.region.u8.slice(burst.offset[i], burst.offset[i] + burst.length[i]));
    return count - taken;
  }

  arm(): boolean {
    return false;
  }

  disarm(): void {}

  stats(): Record<string, number> {
    return {};
  }

  describe(): Record<string, unknown> {
    return {};
  }
}

function bridgeOf(count: number, room?: number) {
  const bridge = new Bridge('br');
  const links = Array.from({ length: count }, () => new NotingLink(room));
  const ports = links.map((link, number) => {
    const port = new SwitchPort(number, `p${number}`);
    port.link = link;
    bridge.add(port);
    return port;
  });
  return {
    bridge,
    links,
    ports,
    forward: (from: number, ...frames: Uint8Array[]): void => {
      const burst = new PacketBurst(32);
      burst.allocate(pool, frames.length, 1);
      for (const [i, bytes] of frames.entries()) {
        pool.region.u8.set(bytes, burst.offset[i]);
        burst.length[i] = bytes.length;
      }
      bridge.forward(ports[from], burst, 0);
      burst.release();
    },
    counted: (port: number, name: PortCounterName) => counterRecord(ports[port].counters)[name],
  };
}

describe('a bridge', () => {
  it('drops and counts what is over the MTU of the port it comes from, a tag not counted', () => {
    const { ports, links, forward, counted } = bridgeOf(2);
    ports[0].rules = { ...ports[0].rules, mtu: 1500 };
    const fits = [
      frame(broadcast, macOf(1), { bytes: 1514 }),
      frame(broadcast, macOf(1), { bytes: 1514, vlan: 9 }),
    ];
    forward(0, ...fits, frame(broadcast, macOf(1), { bytes: 1515 }));
    expect([links[1].got, counted(0, 'dropped_oversize_frames')]).toEqual([fits, 1]);
  });

  it('counts what the other side had no room for, and nothing of it as sent', () => {
    const { forward, counted } = bridgeOf(2, 1);
    const frames = [1, 2, 3].map(() => frame(broadcast, macOf(1)));
    forward(0, ...frames);
    expect([counted(1, 'tx_frames'), counted(1, 'tx_bytes'), counted(1, 'dropped_full_frames')]).toEqual([
      1, 60, 2,
    ]);
  });

  it('forwards and counts frames whose source it cannot learn', () => {
    const { bridge, links, forward, counted } = bridgeOf(2);
    bridge.table = new MacTable({ capacity: 64, perPort: 1 });
    const frames = Array.from({ length: 20 }, (_, i) => frame(broadcast, macOf(i + 1)));
    forward(0, ...frames);
    expect(links[1].got).toEqual(frames);
    expect(counted(0, 'unlearned_frames')).toBeGreaterThan(0);
    expect(bridge.table.size).toBe(1);
  });

  it('gives every buffer back, and leaves nothing waiting', () => {
    const { ports, forward } = bridgeOf(3);
    const before = pool.free;
    forward(0, frame(broadcast, macOf(1)), frame(macOf(9), macOf(1)));
    expect([pool.free, ports.map(({ waiting }) => waiting.count)]).toEqual([before, [0, 0, 0]]);
  });

  it('looks at no byte behind a frame for its tag', () => {
    const { links, forward } = bridgeOf(2);
    const short = frame(broadcast, macOf(1), { vlan: 9 }).subarray(0, 16);
    forward(0, short);
    expect(links[1].got).toEqual([short]);
  });
});
