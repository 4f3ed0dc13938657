import { writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Tap } from '@vio/vhost-kernel';

/** As in guest/held-frames.c. */
const dataType = 0x88b5;
const questionType = 0x88b6;
/** Bytes of a frame: some of its pages are filled by the device alone. */
const frameBytes = 9000;
/** Milliseconds between frames, and between questions. */
const pace = 25;
const patience = 200;
/** What QEMU gives its first card. */
const guestMac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const ownMac = [2, 0, 0, 0, 0, 0x77];

/** What the guest found in the frames that it was asked for. */
export interface Found {
  readonly right: number;
  readonly wrong: number;
}

/** Frames to the guest, which leaves them where the device has put them until it is asked. */
export class HeldFrames implements Disposable {
  readonly #tap: Tap;
  readonly #timer: NodeJS.Timeout;
  #number = 0;
  #asked = 0;

  /** @param name of an interface that is made, and becomes the frames' way into the network */
  constructor(name: string) {
    this.#tap = Tap.open({ name, up: true });
    this.#timer = setInterval(() => this.#send(frameOf(dataType, ++this.#number, frameBytes)), pace);
  }

  /** Asks for the frames so far. @param said the guest's lines, to which one is added */
  async ask(said: readonly string[]): Promise<Found> {
    const number = ++this.#asked;
    for (;;) {
      for (const line of said) {
        const found = /frames: asked (\d+), right (\d+), wrong (\d+)/.exec(line);
        if (Number(found?.[1]) === number) return { right: Number(found?.[2]), wrong: Number(found?.[3]) };
      }
      this.#send(frameOf(questionType, number, 60));
      await wait(patience);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#tap.close();
  }

  #send(frame: Uint8Array): void {
    try {
      writeSync(this.#tap.fds[0], frame);
    } catch {
      // The wire is full.
    }
  }
}

/** A frame with a number, and bytes that no other one has in the same place. */
function frameOf(type: number, number: number, bytes: number): Uint8Array {
  const mixed = Math.imul(number, 0x9e37_79b1) >>> 0;
  const frame = Uint8Array.from({ length: bytes }, (_, i) => (mixed >>> (8 * (i & 3))) + i * 7 + (i >> 8));
  const view = new DataView(frame.buffer);
  frame.set([...guestMac, ...ownMac]);
  view.setUint16(12, type);
  view.setUint32(14, number);
  return frame;
}
