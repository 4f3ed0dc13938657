// A host at the other end of a device's wire: answers ARP and ping, and sends every UDP datagram back.
import { PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { BufferPool } from '@vio/rings';
import { privatePool } from '@vio/rings/testing';
import type { VhostDevice } from '@vio/vhost';
import { answer } from '../../examples/tap-ping/dist/answer.js';

const udp = 17;

/** Serves all pairs of a device that are in use, from the event loop, until it is told to stop. */
export class Station {
  readonly mac = Uint8Array.of(2, 0, 0, 0, 0, 0xfe);
  readonly address: Uint8Array;
  /** UDP datagrams that came, by queue pair. */
  readonly datagrams: number[] = [];
  readonly #pool: BufferPool;
  readonly #burst = new PacketBurst(32);
  readonly #heard: (port: number) => void;
  #stopped = false;

  /** @param address as in `10.1.0.2` @param heard is told the port of every datagram, before it goes back */
  constructor(address: string, heard: (port: number) => void = () => {}) {
    this.#heard = heard;
    this.address = Uint8Array.from(address.split('.'), Number);
    this.#pool = privatePool(512);
  }

  serve(device: VhostDevice): void {
    const turn = (): void => {
      if (this.#stopped) return;
      let moved = 0;
      for (let pair = 0; pair < device.pairsInUse; pair++) moved += this.#turn(device, pair);
      if (moved > 0) setImmediate(turn);
      else setTimeout(turn, 1);
    };
    turn();
  }

  stop(): void {
    this.#stopped = true;
  }

  #turn(device: VhostDevice, pair: number): number {
    const burst = this.#burst;
    const count = device.dequeueBurst(2 * pair + 1, this.#pool, burst);
    const frames = readFrames(burst);
    burst.release();
    const answers = frames.filter((frame) => answer(frame, this) || this.#echo(frame, pair));
    writeFrames(this.#pool, burst, answers);
    device.enqueueBurst(2 * pair, burst);
    burst.release();
    return count;
  }

  /** Swaps the ends of a datagram for this host, which leaves all sums as they are. */
  #echo(frame: Uint8Array, pair: number): boolean {
    const ours = this.address.every((byte, i) => frame[30 + i] === byte);
    if (frame[12] !== 8 || frame[13] !== 0 || frame[23] !== udp || !ours) return false;
    this.datagrams[pair] = (this.datagrams[pair] ?? 0) + 1;
    this.#heard((frame[36] << 8) | frame[37]);
    swap(frame, 0, 6, 6);
    swap(frame, 26, 30, 4);
    swap(frame, 34, 36, 2);
    return true;
  }
}

function swap(bytes: Uint8Array, a: number, b: number, length: number): void {
  const first = bytes.slice(a, a + length);
  bytes.copyWithin(a, b, b + length);
  bytes.set(first, b);
}
