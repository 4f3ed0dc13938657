import type { PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { BufferPool, Region } from '@vio/rings';
import type { ChecksumWork, Lane, LaneAddresses } from '../forward/lane.ts';

/** A packet that a lane sent. */
export interface SentPacket {
  readonly bytes: Uint8Array;
  readonly segments: number;
  /** HDR_F_* bits. */
  readonly flags: number;
  readonly gsoType: number;
  readonly segmentSize: number;
}

/** A lane whose received packets are scripted and whose sent frames are kept. */
export class ScriptedLane implements Lane {
  readonly pool = new BufferPool({ region: new Region(new ArrayBuffer(64 * 4096)), offset: 0, count: 64 });
  readonly packets: SentPacket[] = [];
  incoming: Uint8Array[] = [];
  room = Number.POSITIVE_INFINITY;
  addresses: LaneAddresses | undefined;
  checksums: ChecksumWork | undefined;

  /** The frames it sent. */
  get sent(): Uint8Array[] {
    return this.packets.map(({ bytes }) => bytes);
  }

  receive(burst: PacketBurst): number {
    return writeFrames(this.pool, burst, this.incoming.splice(0, burst.capacity));
  }

  send(burst: PacketBurst): number {
    const n = Math.min(burst.count, this.room);
    const { offloads, segments } = burst;
    const packets = readFrames(burst).map((bytes, i) => ({
      bytes,
      segments: segments[i],
      flags: offloads?.flags[i] ?? 0,
      gsoType: offloads?.gsoType[i] ?? 0,
      segmentSize: offloads?.segmentSize[i] ?? 0,
    }));
    this.packets.push(...packets.slice(0, n));
    burst.release();
    return n;
  }
}
