// Frames that prove themselves: Ethernet header, then which frame this is, then bytes that follow from it. A frame
// that was lost, doubled, cut, mixed up or damaged by one bit is found by reading it.

/** Bytes of the Ethernet header. */
const ethernetBytes = 14;
const identityBytes = 12;
/** Shortest frame: its sequence number, queue and length, and four bytes that follow from them. */
export const minFrameBytes = ethernetBytes + identityBytes + 4;

const destination = [0x02, 0, 0, 0, 0, 0xbe];
const source = [0x02, 0, 0, 0, 0, 0xfe];
/** IEEE 802 local experimental EtherType 1. */
const etherType = 0x88b5;

export interface FrameIdentity {
  readonly sequence: number;
  readonly queue: number;
  /** Frame length in bytes, at least `minFrameBytes`. */
  readonly length: number;
}

export function makeFrame({ sequence, queue, length }: FrameIdentity, swapped = false): Uint8Array {
  const frame = new Uint8Array(length);
  frame.set(swapped ? source : destination, 0);
  frame.set(swapped ? destination : source, 6);
  const view = new DataView(frame.buffer);
  view.setUint16(12, etherType);
  view.setUint32(14, sequence);
  view.setUint32(18, queue);
  view.setUint32(22, length);
  fillRandom(frame, ethernetBytes + identityBytes, mix(mix(mix(sequence) ^ queue) ^ length));
  return frame;
}

/**
 * Says which frame this is after comparing every bit of it.
 * @param swapped the two MAC addresses have been exchanged on the way (testpmd's macswap)
 * @throws Error that names the first wrong byte
 */
export function readFrame(frame: Uint8Array, swapped = false): FrameIdentity {
  if (frame.length < minFrameBytes) throw new Error(`a frame of ${frame.length} bytes is none of ours`);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const identity = { sequence: view.getUint32(14), queue: view.getUint32(18), length: view.getUint32(22) };
  if (identity.length !== frame.length) {
    throw new Error(
      `frame of ${frame.length} bytes says it has ${identity.length}: ${hex(frame.subarray(0, 48))}`,
    );
  }
  const expected = makeFrame(identity, swapped);
  if (Buffer.compare(frame, expected) !== 0) {
    const at = expected.findIndex((byte, i) => byte !== frame[i]);
    throw new Error(
      `frame ${identity.sequence} of queue ${identity.queue} (${identity.length} bytes) is wrong from byte ${at} on: ` +
        `${hex(frame.subarray(at, at + 16))} instead of ${hex(expected.subarray(at, at + 16))}`,
    );
  }
  return identity;
}

/** Which frames of one queue are under way; finds what is lost, doubled or in the wrong queue. */
export class FrameLedger {
  sent = 0;
  received = 0;
  readonly #queue: number;
  readonly #underWay = new Set<number>();

  constructor(queue: number) {
    this.#queue = queue;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** The frames to send next; those that really leave are entered by `leave`. */
  next(count: number, length: number): FrameIdentity[] {
    return Array.from({ length: count }, (_, i) => ({ sequence: this.sent + i, queue: this.#queue, length }));
  }

  /** Enters the next `count` frames as sent. */
  leave(count: number): void {
    for (let i = 0; i < count; i++) this.#underWay.add(this.sent++);
  }

  /** Enters a frame that arrived. @throws Error when it was not under way here */
  arrive({ sequence, queue }: FrameIdentity): void {
    if (queue !== this.#queue)
      throw new Error(`frame ${sequence} of queue ${queue} came out of queue ${this.#queue}`);
    if (!this.#underWay.delete(sequence)) {
      throw new Error(
        `frame ${sequence} of queue ${queue} came ${sequence < this.sent ? 'twice' : 'from nowhere'}`,
      );
    }
    this.received++;
  }

  /** The frames that did not come back, in words. */
  get missing(): string {
    const some = [...this.#underWay].slice(0, 8).join(', ');
    return this.underWay === 0 ? 'none' : `${this.underWay} (${some}${this.underWay > 8 ? ', ...' : ''})`;
  }
}

/** xorshift32; the first word differs for every seed but one. */
function fillRandom(bytes: Uint8Array, from: number, seed: number): void {
  let state = seed === 0 ? 1 : seed;
  for (let i = from; i < bytes.length; i++) {
    if ((i - from) % 4 === 0) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
    }
    bytes[i] = state >>> (8 * ((i - from) % 4));
  }
}

/** A permutation of the 32-bit integers: two frames that differ in one field get different seeds. */
function mix(value: number): number {
  const odd = Math.imul(value, 0x9e37_79b1);
  return odd ^ (odd >>> 15);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
