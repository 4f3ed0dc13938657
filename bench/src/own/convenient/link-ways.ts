// What Linux has for frames, with Node's own calls on top: Node opens neither taps nor packet sockets, `bench/kernel/with-links.c`
// does, and hands their descriptors down.
import { readSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { type Way, type Ways, chunk, frames } from './way.ts';

/** Descriptors of one kind of link: what is written to the first is read from the second. */
type Ends = readonly [write: number, read: number];

/** @param descriptors of two taps on a bridge, then of packet sockets on the two ends of a veth; none: there are no such ways */
export function linkWays(descriptors: readonly number[]): Ways {
  if (descriptors.length === 0) return {};
  const [oneTap, otherTap, onePacket, otherPacket] = descriptors;
  return {
    'two taps on a bridge (fs.writeSync, fs.readSync)': () => link([oneTap, otherTap]),
    'AF_PACKET on the ends of a veth (fs.writeSync, fs.readSync)': () => link([onePacket, otherPacket]),
  };
}

/** Broadcasts of an experimental type, which a bridge floods and nobody answers. */
function header(frame: Uint8Array): void {
  frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
}

async function link([write, read]: Ends): Promise<Way> {
  frames.forEach(header);
  const room = new Uint8Array(2048);
  return {
    async move() {
      for (const frame of frames) writeSync(write, frame);
      for (let left = chunk; left > 0;) {
        const arrived = readNow(read, room);
        left -= arrived;
        if (arrived === 0) await turn();
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** @returns 1, or 0 when there is no frame yet */
function readNow(fd: number, room: Uint8Array): 0 | 1 {
  try {
    readSync(fd, room);
    return 1;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
    throw error;
  }
}
