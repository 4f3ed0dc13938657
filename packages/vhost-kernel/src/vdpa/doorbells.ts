import { VioError } from '@vio/native';
import { MmioRegisters, pageBytes } from '@vio/native/internal';
import type { Notifier } from '@vio/net';

/**
 * The notification areas of a device: a page of its registers for each virtqueue, where a store is a kick, without a
 * system call (linux/vhost.h). What the kernel maps is up to the device's driver: most have none.
 */
export class Doorbells implements Disposable {
  readonly #areas: MmioRegisters[] = [];
  #open = true;

  /** @param fd of the device @returns the doorbell of a virtqueue, or undefined: it is kicked by eventfd */
  of(fd: number, index: number): Notifier | undefined {
    const area = map(fd, index);
    if (area === undefined) return undefined;
    this.#areas.push(area);
    return {
      signal: () => {
        // The queue's index, as over PCI (virtio 1.4, section 4.1.5.2). A device that is gone is told elsewhere.
        if (this.#open && !area.faulted) area.write(0, 2, index);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#open = false;
    for (const area of this.#areas) area.close();
  }
}

function map(fd: number, index: number): MmioRegisters | undefined {
  try {
    return MmioRegisters.map(fd, index * pageBytes, pageBytes, true);
  } catch (error) {
    // EOPNOTSUPP, ENOTSUP or EINVAL: the device has none that is a page of its own.
    if (VioError.is(error)) return undefined;
    throw error;
  }
}
