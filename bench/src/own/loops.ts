// The poll loops of a plain Node process, a closure for each mode, so that V8 compiles each for itself. They do what
// testpmd's forwarding engines do, with bursts of 32: what is received is given back without a look.
import { type NetPort, PacketBurst } from '@vio/net';
import type { BufferPool } from '@vio/rings';
import type { VhostDevice } from '@vio/vhost';
import type { Mode } from '../modes.ts';
import { PollCounter } from './polls.ts';
import { writeHeaders } from './template.ts';

/** Polls a number of times. @returns frames moved */
export type Loop = (polls: number) => number;

const burstSize = 32;
/** What the loops of this process have found. */
export const pollCounter = new PollCounter(burstSize);

/** @param length bytes of the frames that `txonly` generates */
type MakePortLoop = (port: NetPort, length: number) => Loop;
type MakeDeviceLoop = (device: VhostDevice, pool: BufferPool, length: number) => Loop;

export const portLoops: Readonly<Record<Mode, MakePortLoop>> = {
  txonly: ({ pool, tx: [tx] }, length) => {
    const burst = new PacketBurst(burstSize);
    return (polls) => {
      let moved = 0;
      for (let i = 0; i < polls; i++) {
        generate(pool, burst, length);
        const taken = tx.send(burst);
        burst.release(taken);
        moved += pollCounter.note(taken);
        if (burst.count === 0) tx.reap();
      }
      return moved;
    };
  },
  rxonly: ({ rx: [rx] }) => {
    const burst = new PacketBurst(burstSize);
    return (polls) => {
      let moved = 0;
      for (let i = 0; i < polls; i++) {
        moved += pollCounter.note(rx.receive(burst));
        burst.release();
      }
      return moved;
    };
  },
  io: ({ rx: [rx], tx: [tx] }) => {
    const burst = new PacketBurst(burstSize);
    return (polls) => {
      let moved = 0;
      for (let i = 0; i < polls; i++) {
        if (pollCounter.note(rx.receive(burst)) === 0) continue;
        const taken = tx.send(burst);
        burst.release(taken);
        moved += taken;
      }
      return moved;
    };
  },
};

export const deviceLoops: Readonly<Record<Mode, MakeDeviceLoop>> = {
  txonly: (device, pool, length) => {
    const burst = new PacketBurst(burstSize);
    return (polls) => {
      let moved = 0;
      for (let i = 0; i < polls; i++) {
        generate(pool, burst, length);
        moved += pollCounter.note(device.enqueueBurst(0, burst, 0, burst.count));
        burst.release();
      }
      return moved;
    };
  },
  rxonly: (device, pool) => {
    const burst = new PacketBurst(burstSize);
    return (polls) => {
      let moved = 0;
      for (let i = 0; i < polls; i++) {
        moved += pollCounter.note(device.dequeueBurst(1, pool, burst, burstSize));
        burst.release();
      }
      return moved;
    };
  },
  io: (device, pool) => {
    const burst = new PacketBurst(burstSize);
    return (polls) => {
      let moved = 0;
      for (let i = 0; i < polls; i++) {
        if (pollCounter.note(device.dequeueBurst(1, pool, burst, burstSize)) === 0) continue;
        moved += device.enqueueBurst(0, burst, 0, burst.count);
        burst.release();
      }
      return moved;
    };
  },
};

function generate(pool: BufferPool, burst: PacketBurst, length: number): void {
  const count = burst.allocate(pool, burstSize, length);
  const { offset } = burst;
  const { i32 } = pool.region;
  for (let i = 0; i < count; i++) writeHeaders(i32, offset[i]);
}
