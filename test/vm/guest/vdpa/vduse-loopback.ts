// A network card that sends back what it is sent, frame by frame, on every queue pair.
import { EventFd, FdWatcher } from '@vio/native';
import { VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { STATUS_DRIVER_OK, headerSize } from '@vio/net/internal';
import { ChainBurst, type DeviceQueue, MemoryMap, Region, createDeviceQueue, ringFeatures } from '@vio/rings';
import { VduseDevice, type VduseMapping, type VduseOptions } from './vduse-device.ts';

const numBuffersAt = 10;

interface Queue {
  readonly device: DeviceQueue;
  readonly kick: EventFd;
  readonly watcher: FdWatcher;
}

export class LoopbackCard {
  readonly device: VduseDevice;
  /** All that the driver set, in order. */
  readonly statuses: number[] = [];
  /** Of the last start. */
  features = 0n;
  looped = 0;
  readonly #queueCount: number;
  #mappings: VduseMapping[] = [];
  #map = new MemoryMap([]);
  #queues: Queue[] = [];
  /** By pair: a frame that waits for room. */
  readonly #waiting = new Map<number, Buffer>();

  constructor(options: VduseOptions) {
    this.#queueCount = options.queues;
    this.device = new VduseDevice(options, {
      setStatus: (status) => this.#setStatus(status),
      queueState: (index) => this.#stateOf(index),
    });
  }

  #setStatus(status: number): void {
    this.statuses.push(status);
    if (status === 0) this.#stop();
    else if ((status & STATUS_DRIVER_OK) !== 0 && this.#queues.length === 0) this.#start();
  }

  #start(): void {
    this.features = this.device.features;
    this.#mappings = this.device.map();
    this.#map = new MemoryMap(
      this.#mappings.map(({ start, memory }) => {
        const region = new Region(memory.buffer);
        return { region, guestAddress: start, userAddress: start, size: region.size };
      }),
    );
    for (let index = 0; index < this.#queueCount; index++) {
      const info = this.device.queue(index);
      if (!info.ready) break;
      const [descriptors, driver, device] = [info.descriptors, info.driver, info.device].map((address) => {
        const place = this.#map.fromGuest(address, 4);
        if (place === undefined) throw new Error(`a ring at ${address} is not in memory`);
        return place;
      });
      const features = ringFeatures(this.features);
      const queue = createDeviceQueue({
        memory: this.#map,
        addresses: { descriptors, driver, device },
        size: info.size,
        features,
        base: features.format === 'packed' ? info.packedBase : info.splitBase,
      });
      const kick = EventFd.create();
      const watcher = new FdWatcher(kick.fd, { readable: true }, () => {
        kick.drain();
        this.#loop(index >>> 1);
      });
      this.#queues.push({ device: queue, kick, watcher });
    }
    for (const [index, { kick }] of this.#queues.entries()) this.device.setKick(index, kick.fd);
  }

  #stop(): void {
    for (const { kick, watcher } of this.#queues) {
      watcher.close();
      kick.close();
    }
    for (const { memory } of this.#mappings) memory.close();
    this.#queues = [];
    this.#mappings = [];
    this.#waiting.clear();
  }

  #stateOf(index: number): Uint16Array {
    const queue = this.#queues.at(index);
    const base = queue?.device.base() ?? 0;
    if (queue?.device.format !== 'packed') return Uint16Array.of(base);
    return Uint16Array.of((base >>> 15) & 1, base & 0x7fff, base >>> 31, (base >>> 16) & 0x7fff);
  }

  /** Both directions of a pair, until one has nothing to go on with. */
  #loop(pair: number): void {
    const [rx, tx] = [this.#queues[2 * pair].device, this.#queues[2 * pair + 1].device];
    for (;;) {
      const frame = this.#waiting.get(pair) ?? this.#take(tx);
      if (frame === undefined) {
        if (tx.armKick()) continue;
        break;
      }
      const room = rx.pending();
      if (!this.#give(rx, frame)) {
        this.#waiting.set(pair, frame);
        rx.armKick();
        if (rx.pending() > room) continue;
        break;
      }
      this.#waiting.delete(pair);
      this.looped++;
    }
    for (const index of [2 * pair, 2 * pair + 1]) {
      if (this.#queues[index].device.callNeeded()) this.device.interrupt(index);
    }
  }

  /** The next frame the driver sends, with its header. */
  #take(tx: DeviceQueue): Buffer | undefined {
    const chains = new ChainBurst(1, 256);
    if (tx.fetch(chains, 1) === 0) return undefined;
    const parts: Uint8Array[] = [];
    for (let i = 0; i < chains.readable[0]; i++) parts.push(this.#bytes(chains, i));
    const frame = Buffer.concat(parts);
    chains.written[0] = 0;
    tx.complete(chains, 0, 1);
    return frame;
  }

  /** Puts a frame into as many of the driver's buffers as it takes. @returns false when there are not enough */
  #give(rx: DeviceQueue, frame: Buffer): boolean {
    const chains = new ChainBurst(16, 256);
    const most = (this.features & VIRTIO_NET_F_MRG_RXBUF) === 0n ? 1 : 16;
    const count = rx.fetch(chains, most);
    let at = 0;
    let used = 0;
    for (; used < count && at < frame.length; used++) {
      chains.written[used] = 0;
      for (let i = chains.firstSegment[used]; i < chains.firstSegment[used + 1] && at < frame.length; i++) {
        const bytes = this.#bytes(chains, i);
        const part = frame.subarray(at, at + bytes.length);
        bytes.set(part);
        at += part.length;
        chains.written[used] += part.length;
      }
    }
    rx.unfetch(chains, at < frame.length ? count : count - used);
    if (at < frame.length) return false;
    const head = this.#bytes(chains, 0);
    if (headerSize(this.features) === 12)
      new DataView(head.buffer, head.byteOffset).setUint16(numBuffersAt, used, true);
    rx.complete(chains, 0, used);
    return true;
  }

  #bytes(chains: ChainBurst, segment: number): Uint8Array {
    const { u8 } = this.#map.windows[chains.window[segment]].region;
    return u8.subarray(chains.offset[segment], chains.offset[segment] + chains.length[segment]);
  }
}
