import { ChainBurst } from '../device/chain-burst.ts';
import { createDeviceQueue } from '../device/create-device-queue.ts';
import type { DeviceQueue } from '../device/device-queue.ts';
import type { RingFormat } from '../format.ts';
import { freshMemory } from '../testing/guest-memory.ts';
import { type ScriptedChain, ScriptedDriver } from '../testing/scripted-driver.ts';
import { QueueRegion, inflightBytes } from '../inflight/inflight-layout.ts';
import type { Journal, OpenedJournal } from '../inflight/journal.ts';
import { PackedJournal } from '../inflight/packed-journal.ts';
import { SplitJournal } from '../inflight/split-journal.ts';
import { createTrackedDeviceQueue } from '../inflight/tracked-device.ts';

export const size = 8;
const guestBase = 0x1_ffff_8000;

/** Where a device that completes chains is killed. */
export const moments = [
  'before it',
  'with the batch noted down',
  'with half of it written',
  'behind it',
] as const;
export type Moment = (typeof moments)[number];

/** A driver, the memory that outlives its devices, and devices that may be killed at any moment. */
export class Guest {
  readonly memory = freshMemory({ guestAddress: guestBase, size: 0x1_0000 });
  readonly driver: ScriptedDriver;
  readonly inflight: ArrayBuffer;
  readonly chains = new ChainBurst();

  constructor(format: RingFormat, inOrder = false) {
    this.driver = new ScriptedDriver({
      memory: this.memory,
      size,
      features: { format: format, inOrder, indirect: true, eventIdx: false },
    });
    this.inflight = new ArrayBuffer(inflightBytes(format, size));
  }

  /** A device that goes on where the one before it ended. @param base of a journal that is empty */
  device(base = this.driver.device.base): DeviceQueue {
    return createTrackedDeviceQueue({ ...this.driver.device, base }, { buffer: this.inflight, offset: 0 });
  }

  area(): QueueRegion {
    return new QueueRegion(this.inflight, 0, this.driver.features.format, size);
  }

  /** One buffer whose first byte is `mark`, in `descriptors` descriptors. @returns its id */
  expose(mark: number, descriptors = 1): number {
    const { memory } = this.driver;
    const chain: ScriptedChain = Array.from({ length: descriptors }, (_, i) => ({
      address: memory.put(Uint8Array.of(i === 0 ? mark : 0xff)),
      length: 1,
    }));
    return this.driver.expose(chain)[0];
  }

  /** Fetches what there is. @returns the marks */
  fetch(queue: DeviceQueue, max = 32): number[] {
    const { chains } = this;
    const n = queue.fetch(chains, max);
    return Array.from({ length: n }, (_, i) => {
      const segment = chains.firstSegment[i];
      return this.memory.windows[chains.window[segment]].region.u8[chains.offset[segment]];
    });
  }

  /** A device that is killed while it uses all chains it can get. */
  killedCompleting(moment: Moment): void {
    const { device } = this.driver;
    const opened = this.#open();
    const queue = createDeviceQueue({ ...device, base: opened.base });
    const { journal } = opened;
    const { chains } = this;
    const n = queue.fetch(chains, 32);
    journal.fetched(chains.id, chains.slots, 0, n);
    if (moment === 'before it') return;
    journal.using(chains.id, chains.slots, 0, n);
    if (moment === 'with the batch noted down') return;
    const first = this.#words()[this.#usedWord(opened)];
    queue.complete(chains, 0, n);
    if (moment === 'with half of it written') this.#words()[this.#usedWord(opened)] = first;
  }

  #open(): OpenedJournal & { journal: Journal } {
    const { format } = this.driver.features;
    const { device } = this.driver.addresses;
    if (format === 'packed') return PackedJournal.open(this.area(), size, this.#words(), 0, 0x8000_8000);
    const { u16 } = this.memory.windows[0].region;
    return SplitJournal.open(this.area(), size, u16[device.offset / 2 + 1]);
  }

  #words(): Int32Array {
    return this.memory.windows[0].region.i32;
  }

  /** The word that shows a batch to the driver: of the used ring's index, or of the first descriptor. */
  #usedWord({ base: at, saved }: OpenedJournal): number {
    if (this.driver.features.format === 'split') return this.driver.addresses.device.offset / 4;
    if (saved.count > 0) throw new RangeError('nothing may be in flight');
    return 4 * (at & 0x7fff) + 3;
  }
}
