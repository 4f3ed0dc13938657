// The device behind the transport: it takes frames off the transmit queue and puts them into buffers of the receive queue.
import { FdWatcher } from '@vio/native';
import type { PlacedQueue } from '@vio/net';
import {
  ChainBurst,
  type DeviceQueue,
  MemoryMap,
  Region,
  createDeviceQueue,
  freshPackedBase,
  ringFeatures,
} from '@vio/rings';

/** Frames in one turn. */
const burstSize = 32;
/** The most bytes of a frame with its header. */
const mostBytes = 65_550;
/** Where a virtio-net header says in how many buffers the frame lies. */
const numBuffers = 10;

/** Works whenever it is kicked. */
export class Loop implements Disposable {
  readonly #memory: MemoryMap;
  readonly #rx: DeviceQueue;
  readonly #tx: DeviceQueue;
  /** Interrupts whoever waits for received frames. */
  readonly #call: PlacedQueue['call'];
  readonly #watchers: FdWatcher[] = [];
  readonly #from = new ChainBurst(burstSize);
  readonly #to = new ChainBurst(burstSize);
  readonly #frame = new Uint8Array(mostBytes);

  constructor(buffer: ArrayBuffer, [rx, tx]: readonly PlacedQueue[], features: bigint) {
    const region = new Region(buffer);
    this.#memory = new MemoryMap([{ region, guestAddress: 0, userAddress: 0, size: region.size }]);
    this.#rx = this.#queue(rx, features);
    this.#tx = this.#queue(tx, features);
    this.#call = rx.call;
    for (const { kick } of [rx, tx]) {
      if (kick === undefined) continue;
      const watcher = new FdWatcher(kick.fd, { readable: true }, () => {
        kick.drain();
        this.#work();
      });
      watcher.unref();
      this.#watchers.push(watcher);
    }
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #queue({ size, addresses }: PlacedQueue, features: bigint): DeviceQueue {
    const rings = ringFeatures(features);
    const at = (offset: number) => ({ window: 0, offset });
    return createDeviceQueue({
      memory: this.#memory,
      addresses: {
        descriptors: at(addresses.descriptors),
        driver: at(addresses.driver),
        device: at(addresses.device),
      },
      size,
      features: rings,
      base: rings.format === 'packed' ? freshPackedBase : 0,
    });
  }

  /** Moves what there is, and asks to be kicked for what it waits for: frames, or room for them. */
  #work(): void {
    for (let again = true; again;) {
      while (this.#move());
      const frames = this.#tx.armKick();
      const room = this.#rx.armKick();
      again = frames && room;
    }
  }

  /** @returns false when there was nothing to move, or nowhere to put it */
  #move(): boolean {
    const from = this.#from;
    const to = this.#to;
    const room = this.#rx.fetch(to, burstSize);
    const count = this.#tx.fetch(from, room);
    let put = 0;
    for (let i = 0; i < count; i++) {
      const length = this.#gather(from, i);
      from.written[i] = 0;
      // Without mergeable buffers a frame has one chain, and what is larger is dropped.
      if (length > to.writableBytes[put]) continue;
      this.#scatter(to, put, length);
      to.written[put++] = length;
    }
    this.#rx.unfetch(to, room - put);
    this.#rx.complete(to, 0, put);
    this.#tx.complete(from, 0, count);
    if (put > 0 && this.#rx.callNeeded()) this.#call?.signal();
    return count > 0;
  }

  /** Copies the bytes of a chain into `#frame`. @returns how many */
  #gather(chains: ChainBurst, i: number): number {
    let length = 0;
    for (let s = chains.firstSegment[i]; s < chains.firstSegment[i + 1]; s++) {
      const part = this.#segment(chains, s).subarray(0, mostBytes - length);
      this.#frame.set(part, length);
      length += part.length;
    }
    return length;
  }

  #scatter(chains: ChainBurst, i: number, length: number): void {
    this.#frame[numBuffers] = 1;
    let done = 0;
    for (let s = chains.firstSegment[i]; done < length; s++) {
      const room = this.#segment(chains, s);
      const part = this.#frame.subarray(done, Math.min(length, done + room.length));
      room.set(part);
      done += part.length;
    }
  }

  #segment(chains: ChainBurst, s: number): Uint8Array {
    const { region } = this.#memory.windows[chains.window[s]];
    return region.u8.subarray(chains.offset[s], chains.offset[s] + chains.length[s]);
  }
}
