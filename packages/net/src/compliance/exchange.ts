import assert from 'node:assert/strict';
import { macToBytes } from '../frames/mac-address.ts';
import type { PacketBurst } from '../packet-burst.ts';
import { ethernetBytes } from '../packet-headers.ts';
import type { NetPort } from '../port/net-port.ts';

/** Milliseconds in which a frame comes back. */
export const patience = 5000;
/** Frames under way at a time: any other end has room for them. */
const window = 16;
/** Local experimental EtherType 1 of IEEE 802: nobody else sends such frames. */
const etherType = [0x88, 0xb5];
const sequenceAt = ethernetBytes;

let sequence = 0;

/**
 * A frame to everybody, with bytes that no other frame of this process has, of an EtherType that nobody else uses (IEEE 802, local
 * experimental).
 * @param length 60 bytes or more
 */
export function uniqueFrame(port: NetPort, length: number): Uint8Array {
  const number = sequence++;
  const frame = Uint8Array.from({ length }, (_, i) => (i * 7 + number * 13) & 255);
  frame.fill(0xff, 0, 6);
  frame.set(macToBytes(port.mac), 6);
  frame.set(etherType, ethernetBytes - 2);
  new DataView(frame.buffer).setUint32(sequenceAt, number);
  return frame;
}

function numberOf({ buffer, byteOffset }: Uint8Array): number {
  return new DataView(buffer, byteOffset).getUint32(sequenceAt);
}

/** Whether a frame is one of ours: the other end of a real device has frames of its own. */
export function isOurs(frame: Uint8Array): boolean {
  return frame.length > ethernetBytes && frame[12] === etherType[0] && frame[13] === etherType[1];
}

/**
 * Sends frames of `uniqueFrame` by `send`, a few at a time; they come back in their order, as they went, and wake `packets`.
 * @throws Error when one does not come back within 5 s and 10 ms for each of them, or is another
 */
export async function exchangeFrames(port: NetPort, frames: readonly Uint8Array[]): Promise<void> {
  const signal = AbortSignal.timeout(patience + 10 * frames.length);
  const packets = port.packets({ signal });
  try {
    for (let first = 0; first < frames.length; first += window) {
      const some = frames.slice(first, first + window);
      await Promise.all(some.map((frame) => port.send(frame, { timeout: patience })));
      for (const frame of some) {
        checkSame(await nextOf(packets), frame);
      }
    }
  } finally {
    await packets.return();
  }
}

/** Fails in one line where two frames are not the same. */
export function checkSame(got: Uint8Array, sent: Uint8Array): void {
  if (Buffer.compare(got, sent) === 0) return;
  const at = sent.findIndex((byte, i) => byte !== got[i]);
  const frame = `frame ${numberOf(sent)} of ${sent.length} bytes`;
  throw new Error(`${frame} came back as frame ${numberOf(got)} of ${got.length}, other from byte ${at} on`);
}

/** The next frame that is ours. */
export async function nextOf(packets: AsyncGenerator<Uint8Array, void, undefined>): Promise<Uint8Array> {
  for (;;) {
    const { value, done } = await packets.next();
    if (done === true || value === undefined) throw new Error(`a frame did not come back in ${patience} ms`);
    if (isOurs(value)) return value;
  }
}

/** Sends frames by bursts; they come back on any queue pair. @returns which queue pair each came back on */
export async function exchangeBursts(port: NetPort, pair: number, frames: readonly Uint8Array[]) {
  const out = port.burst(frames.length);
  out.allocate(port.pool, frames.length, 0);
  assert.equal(out.count, frames.length, 'the pool has buffers');
  for (const [i, frame] of frames.entries()) {
    port.region.u8.set(frame, out.offset[i]);
    out.length[i] = frame.length;
  }
  const sent = port.tx[pair].send(out);
  out.release(sent);
  assert.equal(sent, frames.length, 'the ring has room');
  const back = await receiveAll(port, frames.length);
  assert.equal(back.length, frames.length, 'frames that came back');
  const sorted = back.map(({ frame }) => frame).toSorted((a, b) => numberOf(a) - numberOf(b));
  for (const [i, frame] of frames.entries()) checkSame(sorted[i], frame);
  return back.map(({ queue }) => queue);
}

async function receiveAll(port: NetPort, count: number): Promise<{ frame: Uint8Array; queue: number }[]> {
  const back: { frame: Uint8Array; queue: number }[] = [];
  const burst = port.burst();
  for (const end = Date.now() + patience; back.length < count && Date.now() < end;) {
    for (const [queue, rx] of port.rx.entries()) {
      rx.receive(burst);
      for (const frame of copies(port, burst)) if (isOurs(frame)) back.push({ frame, queue });
      burst.release();
    }
    for (const tx of port.tx) tx.reap();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return back;
}

function copies(port: NetPort, burst: PacketBurst): Uint8Array[] {
  return Array.from({ length: burst.count }, (_, i) => {
    assert.equal(burst.segments[i], 1, 'small frames lie in one buffer');
    return port.region.u8.slice(burst.offset[i], burst.offset[i] + burst.length[i]);
  });
}

/** Buffers that are free or on a receive ring, once the device has let go of all that was sent. */
export async function buffersAtRest({ pool, rx, tx }: NetPort): Promise<number> {
  for (const end = Date.now() + patience; Date.now() < end;) {
    for (const queue of tx) queue.reap();
    if (tx.every(({ queue }) => queue.outstanding === 0)) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return rx.reduce((sum, { queue }) => sum + queue.outstanding, pool.free);
}

/** The code of what a promise is rejected with; undefined: it is not. Other errors are rejections still. */
export async function rejectionCode(promise: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return undefined;
  if (error instanceof Error && 'code' in error) return String(error.code);
  throw error;
}

/** Time in which what should not happen would. */
export function aWhile(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
