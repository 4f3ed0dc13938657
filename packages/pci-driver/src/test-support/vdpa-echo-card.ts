import { STATUS_DRIVER_OK } from '@vio/net/internal';
import {
  ChainBurst,
  ChainBytes,
  type DeviceQueue,
  createDeviceQueue,
  freshPackedBase,
  ringFeatures,
} from '@vio/rings';
import type { VdpaFrontend } from '@vio/vhost';
import type { PciVdpaDevice } from '../vdpa/pci-vdpa-device.ts';
import { FakePciDevice, type FakeOptions } from './fake-pci-device.ts';

const usualFeatures = (1n << 32n) | (1n << 33n) | (1n << 34n) | (1n << 28n) | (1n << 15n) | (1n << 5n);

/** A fake card behind an IOMMU whose cable ends in a mirror. It finds rings by its registers, and memory by what is mapped for it. */
export class VdpaEchoCard extends FakePciDevice {
  /** Whose memory it sees: a buffer cannot be made of an address. */
  frontend: VdpaFrontend | undefined;
  readonly #running = new Map<number, DeviceQueue>();
  #turn: NodeJS.Immediate | undefined;

  constructor(options: FakeOptions = {}) {
    super({ features: usualFeatures, translated: true, ...options });
    this.onNotify = () => {
      this.#turn ??= setImmediate(() => this.#work());
    };
  }

  override close(): void {
    clearImmediate(this.#turn);
    super.close();
  }

  /** Notes down whom a device works for. */
  follow(device: PciVdpaDevice): void {
    const configure = device.configure.bind(device);
    device.configure = (frontend, wait) => {
      this.frontend = frontend;
      this.#running.clear();
      return configure(frontend, wait);
    };
  }

  #work(): void {
    this.#turn = undefined;
    const { frontend } = this;
    if (frontend === undefined || (this.status & STATUS_DRIVER_OK) === 0) return;
    const bytes = new ChainBytes(frontend.memory);
    for (let pair = 0; 2 * pair + 1 < this.queues.length; pair++) {
      const [rx, tx] = [this.#queue(frontend, 2 * pair), this.#queue(frontend, 2 * pair + 1)];
      if (rx === undefined || tx === undefined) continue;
      do while (this.#echo(bytes, rx, tx));
      while (tx.armKick() && rx.pending() > 0);
      rx.armKick();
      if (rx.callNeeded()) this.interruptQueue(2 * pair);
      if (tx.callNeeded()) this.interruptQueue(2 * pair + 1);
    }
  }

  #echo(bytes: ChainBytes, rx: DeviceQueue, tx: DeviceQueue): boolean {
    const from = new ChainBurst(1);
    const to = new ChainBurst(1);
    if (tx.fetch(from, 1) === 0) return false;
    if (rx.fetch(to, 1) === 0) {
      tx.unfetch(from, 1);
      return false;
    }
    const frame = Buffer.concat(bytes.readable(from, 0, 0, from.readableBytes[0]));
    frame.writeUInt16LE(1, 10);
    to.written[0] = 0;
    for (const part of bytes.writable(to, 0, 0, frame.length)) {
      part.set(frame.subarray(to.written[0], to.written[0] + part.length));
      to.written[0] += part.length;
    }
    tx.complete(from, 0, 1);
    rx.complete(to, 0, 1);
    return true;
  }

  #queue(frontend: VdpaFrontend, index: number): DeviceQueue | undefined {
    const known = this.#running.get(index);
    const { size, addresses, enabled } = this.queues[index];
    // A card takes a ring at address 0 for none.
    if (known !== undefined || !enabled || addresses[0] === 0n) return known;
    const features = ringFeatures(this.driverFeatures);
    const place = (address: bigint) => {
      const found = frontend.memory.fromGuest(Number(this.#guestAddress(frontend, address)), 1);
      if (found === undefined) throw new Error('a ring is not in the memory');
      return found;
    };
    const [descriptors, driver, device] = addresses.map(place);
    const queue = createDeviceQueue({
      memory: frontend.memory,
      addresses: { descriptors, driver, device },
      size,
      features,
      base: features.format === 'packed' ? freshPackedBase : 0,
    });
    this.#running.set(index, queue);
    return queue;
  }

  /** Through what is mapped to this process, and back to the frontend's regions. */
  #guestAddress({ regions }: VdpaFrontend, address: bigint): bigint {
    for (const [from, { userAddress, bytes }] of this.mapped) {
      if (address < from || address >= from + bytes) continue;
      const user = userAddress + (address - from);
      const region = regions.find((each) => user >= each.userAddress && user < each.userAddress + each.size);
      if (region !== undefined) return region.guestAddress + (user - region.userAddress);
    }
    throw new Error(`nothing is mapped at 0x${address.toString(16)}`);
  }
}
