import type { PacketBurst } from '../packet-burst.ts';
import type { WiredPort } from './wired-port.ts';
import { frameOf } from './wire.ts';
import { writeFrames } from '../testing/frames.ts';

/** A frame whose addresses are followed by so many 802.1Q tags, with the numbers 0x2001, 0x2002, ... */
export function taggedFrame(length: number, tags: number, type = 0x8100): Uint8Array {
  const frame = frameOf(length);
  for (let i = 0; i < tags; i++) frame.set([type >>> 8, type & 0xff, 0x20, i + 1], 12 + 4 * i);
  frame.set([0x88, 0xb5], 12 + 4 * tags);
  return frame;
}

/** Sends frames on queue pair 0. @param ready changes the burst before it goes @returns how many were taken */
export function sendFrames(
  port: WiredPort,
  frames: readonly Uint8Array[],
  ready: (burst: PacketBurst) => void = () => {},
): number {
  const burst = port.burst();
  writeFrames(port.pool, burst, frames);
  ready(burst);
  const taken = port.tx[0].send(burst);
  burst.release(taken);
  return taken;
}
