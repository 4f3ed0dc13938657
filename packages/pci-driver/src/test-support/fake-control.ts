import type { ControlCommand } from '@vio/net';
import { ControlResponder } from '@vio/net/internal';
import { MemoryMap, Region, createDeviceQueue, ringFeatures } from '@vio/rings';
import type { FakePciDevice } from './fake-pci-device.ts';

/** The control queue of a fake network card: serves it whenever the driver notifies it. */
export class FakeControl {
  /** What the driver has asked for. */
  readonly told: ControlCommand[] = [];
  /** What the device answers. */
  answer: (command: ControlCommand) => boolean = () => true;
  #responder: ControlResponder | undefined;

  /** @param index of the control queue */
  constructor(device: FakePciDevice, index: number) {
    device.onNotify = (queue) => {
      if (queue !== index) return;
      this.#responder ??= this.#build(device, index);
      this.#responder.serve();
    };
  }

  #build(device: FakePciDevice, index: number): ControlResponder {
    const { buffer } = device.memory[0];
    const base = device.dmaAddress;
    const region = new Region(buffer, 0, buffer.byteLength, base);
    const guestAddress = Number(base);
    const memory = new MemoryMap([{ region, guestAddress, userAddress: guestAddress, size: region.size }]);
    const features = ringFeatures(device.driverFeatures);
    const { size, addresses } = device.queues[index];
    const [descriptors, driver, used] = addresses.map((address) => ({
      window: 0,
      offset: Number(address - base),
    }));
    const queue = createDeviceQueue({
      memory,
      addresses: { descriptors, driver, device: used },
      size,
      features,
      base: features.format === 'packed' ? 0x8000_8000 : 0,
    });
    return new ControlResponder({
      queue,
      memory,
      features: device.driverFeatures,
      execute: (command) => {
        this.told.push(command);
        return this.answer(command);
      },
    });
  }
}
