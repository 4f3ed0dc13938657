import {
  ChainBurst,
  MemoryMap,
  Region,
  createDeviceQueue,
  type DeviceQueue,
  freshPackedBase,
  ringFeatures,
} from '@vio/rings';
import type { FakePciDevice } from './fake-pci-device.ts';

/**
 * The inside of a fake network card: takes the frames that the driver sends, through its queues as the device was told
 * of them, and hands it frames. Works once the queues are enabled.
 */
export class FakeWire {
  /** Frames the driver has sent, without header. */
  readonly sent: Uint8Array[] = [];
  readonly #device: FakePciDevice;
  readonly #memory: MemoryMap;
  readonly #dmaAddress: bigint;
  #rx: DeviceQueue;
  #tx: DeviceQueue;
  readonly #header: number;

  constructor(device: FakePciDevice, dmaAddress: bigint, header: number) {
    this.#device = device;
    this.#header = header;
    const base = Number(dmaAddress);
    const { buffer } = device.memory[0];
    const region = new Region(buffer, 0, buffer.byteLength, dmaAddress);
    this.#memory = new MemoryMap([{ region, guestAddress: base, userAddress: base, size: region.size }]);
    this.#dmaAddress = dmaAddress;
    this.#rx = this.#queue(0);
    this.#tx = this.#queue(1);
  }

  /** Takes what the driver has sent since. */
  collect(): void {
    const chains = new ChainBurst();
    for (let n = this.#tx.fetch(chains, 32); n > 0; n = this.#tx.fetch(chains, 32)) {
      for (let i = 0; i < n; i++) {
        this.sent.push(this.#bytes(chains, i).subarray(this.#header));
        chains.written[i] = 0;
      }
      this.#tx.complete(chains, 0, n);
    }
  }

  /** Hands the driver a frame in one of its buffers. @returns false when it has none there */
  deliver(frame: Uint8Array): boolean {
    const chains = new ChainBurst();
    if (this.#rx.fetch(chains, 1) === 0) return false;
    const segment = chains.firstSegment[0];
    const { region } = this.#memory.windows[chains.window[segment]];
    const at = chains.offset[segment];
    region.u8.fill(0, at, at + this.#header);
    if (this.#header >= 12) region.u8[at + 10] = 1;
    region.u8.set(frame, at + this.#header);
    chains.written[0] = this.#header + frame.length;
    this.#rx.complete(chains, 0, 1);
    if (this.#rx.callNeeded()) this.#device.interruptQueue(0);
    return true;
  }

  /** Asks to be notified. @returns whether there are frames, and buffers, already */
  arm(): { readonly frames: boolean; readonly room: boolean } {
    return { frames: this.#tx.armKick(), room: this.#rx.armKick() };
  }

  /** A queue was reset and set up anew. @param index 0 or 1 */
  renew(index: number): void {
    if (index === 0) this.#rx = this.#queue(0);
    else this.#tx = this.#queue(1);
  }

  #queue(index: number): DeviceQueue {
    const features = ringFeatures(this.#device.driverFeatures);
    const { size, addresses } = this.#device.queues[index];
    const [descriptors, driver, used] = addresses.map((address) => ({
      window: 0,
      offset: Number(address - this.#dmaAddress),
    }));
    return createDeviceQueue({
      memory: this.#memory,
      addresses: { descriptors, driver, device: used },
      size,
      features,
      base: features.format === 'packed' ? freshPackedBase : 0,
    });
  }

  #bytes(chains: ChainBurst, i: number): Uint8Array {
    const parts: number[] = [];
    for (let s = chains.firstSegment[i]; s < chains.firstSegment[i + 1]; s++) {
      const { region } = this.#memory.windows[chains.window[s]];
      parts.push(...region.u8.subarray(chains.offset[s], chains.offset[s] + chains.length[s]));
    }
    return Uint8Array.from(parts);
  }
}
