import {
  type DeviceQueue,
  MemoryMap,
  Region,
  type RingFeatures,
  type RingFormat,
  createDeviceQueue,
} from '@vio/rings';
import type { ControlCommand } from '../control/commands.ts';
import { ControlQueue } from '../control/control-queue.ts';
import { ControlResponder } from '../control/control-responder.ts';

/** Everything a control queue can be asked for. */
export const everyFeature = 0xffff_ffff_ffff_ffffn;

export interface ControlPairOptions {
  readonly format?: RingFormat;
  readonly size?: number;
  readonly features?: bigint;
}

/** The two ends of a control queue over private memory; the device answers when `serve` is called, or at every kick. */
export class ControlPair {
  readonly region: Region;
  readonly driver: ControlQueue;
  readonly device: ControlResponder;
  readonly deviceQueue: DeviceQueue;
  /** What the device was told, in order. */
  readonly told: ControlCommand[] = [];
  kicks = 0;
  /** What becomes of a command. */
  answer: (command: ControlCommand) => boolean = () => true;
  /** Called at each kick; default: the device answers at once. */
  onKick: () => void = () => void this.device.serve();

  constructor({ format = 'split', size = 16, features = everyFeature }: ControlPairOptions = {}) {
    const ring: RingFeatures = { format, inOrder: false, indirect: false, eventIdx: false };
    /** What the device adds to offsets: over 4 GiB, so that both halves of an address count. */
    const address = 0x12_3456_7000;
    this.region = new Region(new ArrayBuffer(4096 + Math.ceil(ControlQueue.bytes(ring, size) / 8) * 8));
    const kick = {
      signal: (): void => {
        this.kicks++;
        this.onKick();
      },
    };
    this.driver = new ControlQueue({
      region: this.region,
      offset: 4096,
      features: ring,
      size,
      address,
      kick,
    });
    const memory = new MemoryMap([
      { region: this.region, guestAddress: address, userAddress: 0, size: this.region.size },
    ]);
    const at = (offset: number) => ({ window: 0, offset });
    const { descriptors, driver, device } = this.driver.ring.addresses;
    this.deviceQueue = createDeviceQueue({
      memory,
      addresses: { descriptors: at(descriptors), driver: at(driver), device: at(device) },
      size,
      features: ring,
      base: this.driver.ring.base,
    });
    this.device = new ControlResponder({
      queue: this.deviceQueue,
      memory,
      features,
      execute: (command) => {
        this.told.push(command);
        return this.answer(command);
      },
    });
  }
}
