import { PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { BufferPool, Region } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import type { Lane } from './lane.ts';
import { type LaneCounts, forwardStep } from './modes.ts';

/** A lane whose received packets are scripted and whose sent frames are kept. */
class ScriptedLane implements Lane {
  readonly pool = new BufferPool({ region: new Region(new ArrayBuffer(64 * 4096)), offset: 0, count: 64 });
  readonly sent: Uint8Array[] = [];
  incoming: Uint8Array[] = [];
  room = Number.POSITIVE_INFINITY;

  receive(burst: PacketBurst): number {
    return writeFrames(this.pool, burst, this.incoming.splice(0, burst.capacity));
  }

  send(burst: PacketBurst): number {
    const n = Math.min(burst.count, this.room);
    this.sent.push(...readFrames(burst).slice(0, n));
    burst.release();
    return n;
  }
}

const frame = (first: number): Uint8Array => Uint8Array.from({ length: 60 }, (_, i) => (first + i) & 0xff);
const counts = (): LaneCounts => ({ received: 0, sent: 0, dropped: 0 });

describe('forward modes', () => {
  it('io sends what it received, unchanged', () => {
    const lane = new ScriptedLane();
    lane.incoming = [frame(1), frame(2)];
    forwardStep('io', 60)(lane, new PacketBurst(32), counts());
    expect(lane.sent).toEqual([frame(1), frame(2)]);
  });

  it('io counts what the transmit side did not take', () => {
    const lane = new ScriptedLane();
    lane.incoming = [frame(1), frame(2), frame(3)];
    lane.room = 1;
    const seen = counts();
    forwardStep('io', 60)(lane, new PacketBurst(32), seen);
    expect(seen).toEqual({ received: 3, sent: 1, dropped: 2 });
  });

  it('macswap exchanges the two addresses and nothing else', () => {
    const lane = new ScriptedLane();
    lane.incoming = [frame(0)];
    forwardStep('macswap', 60)(lane, new PacketBurst(32), counts());
    const expected = frame(0);
    expected.set(frame(0).subarray(6, 12), 0);
    expected.set(frame(0).subarray(0, 6), 6);
    expect(lane.sent).toEqual([expected]);
  });

  it('rxonly gives every buffer back and sends nothing', () => {
    const lane = new ScriptedLane();
    lane.incoming = [frame(1), frame(2)];
    forwardStep('rxonly', 60)(lane, new PacketBurst(32), counts());
    expect([lane.sent.length, lane.pool.free]).toEqual([0, 64]);
  });

  it('txonly sends full bursts of valid IPv4 headers', () => {
    const lane = new ScriptedLane();
    forwardStep('txonly', 60)(lane, new PacketBurst(8), counts());
    const sums = lane.sent.map((bytes) => {
      let sum = 0;
      for (let i = 14; i < 34; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
      return (sum & 0xffff) + (sum >>> 16);
    });
    expect(sums).toEqual(Array.from({ length: 8 }, () => 0xffff));
  });

  it('flowgen cycles through 1024 source ports', () => {
    const lane = new ScriptedLane();
    const step = forwardStep('flowgen', 60);
    const burst = new PacketBurst(32);
    for (let i = 0; i < 64; i++) step(lane, burst, counts());
    const ports = new Set(lane.sent.map((bytes) => (bytes[34] << 8) | bytes[35]));
    expect(ports.size).toBe(1024);
  });

  it.each([2048, 2049, 9000, 9728])(
    'txonly sends frames of %i bytes, over several buffers if need be',
    (bytes) => {
      const lane = new ScriptedLane();
      forwardStep('txonly', bytes)(lane, new PacketBurst(4), counts());
      const lengths = lane.sent.map((sent) => [sent.length, (sent[16] << 8) | sent[17]]);
      expect(lengths).toEqual(Array.from({ length: 4 }, () => [bytes, bytes - 14]));
    },
  );

  it('txonly sends what the pool has buffers for, and gives all of them back', () => {
    const lane = new ScriptedLane();
    const sent = forwardStep('txonly', 9000)(lane, new PacketBurst(32), counts());
    expect([sent, lane.pool.free]).toEqual([12, 64]);
  });

  it('refuses frames no port can carry', () => {
    expect(() => forwardStep('txonly', 10)).toThrow(/10 bytes/);
  });
});
