import { PacketBurst } from '@vio/net';
import { describe, expect, it } from 'vitest';
import { ScriptedLane } from '../test-support/scripted-lane.ts';
import { noCounts as counts } from './counts.ts';
import { forwardStep } from './modes.ts';

const frame = (first: number): Uint8Array => Uint8Array.from({ length: 60 }, (_, i) => (first + i) & 0xff);

describe('forward modes', () => {
  it('io sends what it received, unchanged', () => {
    const lane = new ScriptedLane();
    lane.incoming = [frame(1), frame(2)];
    forwardStep('io', [60])(lane, new PacketBurst(32), counts());
    expect(lane.sent).toEqual([frame(1), frame(2)]);
  });

  it('io counts what the transmit side did not take', () => {
    const lane = new ScriptedLane();
    lane.incoming = [frame(1), frame(2), frame(3)];
    lane.room = 1;
    const seen = counts();
    forwardStep('io', [60])(lane, new PacketBurst(32), seen);
    expect(seen).toEqual({ received: 3, sent: 1, dropped: 2 });
  });

  it('macswap exchanges the two addresses and nothing else', () => {
    const lane = new ScriptedLane();
    lane.incoming = [frame(0)];
    forwardStep('macswap', [60])(lane, new PacketBurst(32), counts());
    const expected = frame(0);
    expected.set(frame(0).subarray(6, 12), 0);
    expected.set(frame(0).subarray(0, 6), 6);
    expect(lane.sent).toEqual([expected]);
  });

  it('rxonly gives every buffer back and sends nothing', () => {
    const lane = new ScriptedLane();
    lane.incoming = [frame(1), frame(2)];
    forwardStep('rxonly', [60])(lane, new PacketBurst(32), counts());
    expect([lane.sent.length, lane.pool.free]).toEqual([0, 64]);
  });

  it('txonly sends full bursts of valid IPv4 headers', () => {
    const lane = new ScriptedLane();
    forwardStep('txonly', [60])(lane, new PacketBurst(8), counts());
    const sums = lane.sent.map((bytes) => {
      let sum = 0;
      for (let i = 14; i < 34; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
      return (sum & 0xffff) + (sum >>> 16);
    });
    expect(sums).toEqual(Array.from({ length: 8 }, () => 0xffff));
  });

  it('flowgen cycles through 1024 source ports', () => {
    const lane = new ScriptedLane();
    const step = forwardStep('flowgen', [60]);
    const burst = new PacketBurst(32);
    for (let i = 0; i < 64; i++) step(lane, burst, counts());
    const ports = new Set(lane.sent.map((bytes) => (bytes[34] << 8) | bytes[35]));
    expect(ports.size).toBe(1024);
  });

  it.each([2048, 2049, 9000, 9728])(
    'txonly sends frames of %i bytes, over several buffers if need be',
    (bytes) => {
      const lane = new ScriptedLane();
      forwardStep('txonly', [bytes])(lane, new PacketBurst(4), counts());
      const lengths = lane.sent.map((sent) => [sent.length, (sent[16] << 8) | sent[17]]);
      expect(lengths).toEqual(Array.from({ length: 4 }, () => [bytes, bytes - 14]));
    },
  );

  it('txonly sends what the pool has buffers for, and gives all of them back', () => {
    const lane = new ScriptedLane();
    const sent = forwardStep('txonly', [9000])(lane, new PacketBurst(32), counts());
    expect([sent, lane.pool.free]).toEqual([12, 64]);
  });

  it('refuses frames no port can carry', () => {
    expect(() => forwardStep('txonly', [10])).toThrow(/10 bytes/);
  });
});

describe('txonly with segments', () => {
  it('sends packets of several buffers, whose bytes are those of a packet in one', () => {
    const whole = new ScriptedLane();
    forwardStep('txonly', [192])(whole, new PacketBurst(1), counts());
    const lane = new ScriptedLane();
    forwardStep('txonly', [64, 128])(lane, new PacketBurst(2), counts());
    expect(lane.packets.map(({ segments }) => segments)).toEqual([2, 2]);
    expect(lane.sent[0].subarray(0, 44)).toEqual(whole.sent[0].subarray(0, 44));
    expect(lane.sent.map(({ length }) => length)).toEqual([192, 192]);
  });

  it('has its headers across segments that are shorter than they are', () => {
    const whole = new ScriptedLane();
    forwardStep('flowgen', [90])(whole, new PacketBurst(3), counts());
    const lane = new ScriptedLane();
    forwardStep('flowgen', [10, 7, 13, 60])(lane, new PacketBurst(3), counts());
    const heads = (sent: readonly Uint8Array[]): Uint8Array[] => sent.map((bytes) => bytes.subarray(0, 44));
    expect(heads(lane.sent)).toEqual(heads(whole.sent));
  });

  it.each([[[20, 20]], [[0, 60]], [[9000, 729]]])('refuses %j', (segments) => {
    expect(() => forwardStep('txonly', segments)).toThrow(
      expect.objectContaining({ code: 'VIO_FRAME_SIZE' }),
    );
  });
});
