import { PacketBurst } from '@vio/net';
import { BufferPool, Region } from '@vio/rings';
import { Rounds } from '../fabric/rounds.ts';

/** Buffers for a burst of the largest packets, and for what they may have to be cut into. */
const buffers = 4096;
const bufferBytes = 2176;
const burstCapacity = 32;

/** What the ports of a switch share. All of them run on one thread, and a burst is done with before the next one begins. */
export interface Fabric {
  readonly rounds: Rounds;
  readonly pool: BufferPool;
  readonly burst: PacketBurst;
}

export function createFabric(): Fabric {
  const region = new Region(new ArrayBuffer(buffers * bufferBytes));
  return {
    rounds: new Rounds(),
    pool: new BufferPool({ region, offset: 0, count: buffers }),
    burst: new PacketBurst(burstCapacity, { offloads: true }),
  };
}
