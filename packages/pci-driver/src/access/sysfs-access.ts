import { closeSync, openSync, readSync } from 'node:fs';
import { FdWatcher, closeFd, type Registers } from '@vio/native';
import { FileRegisters, MmioRegisters, openDevice } from '@vio/native/internal';
import { disableBusMaster, enableDevice, setLineEnabled } from './config-space.ts';
import { atExit } from './at-exit.ts';
import type { DmaMemory, PciAccess, PciInterrupts } from './pci-access.ts';
import { missingBar, pciError } from './pci-errors.ts';
import { physicalMemory } from './physical-memory.ts';
import type { DeviceFiles } from './sysfs.ts';

/**
 * A device by its files in sysfs: BARs by `resourceN`, mapped or, in IO space, read and written; memory by physical
 * address. With uio_pci_generic bound the shared interrupt can be waited for, and the kernel cuts the device off from
 * memory when the process ends, however it ends. Without a driver there is neither, and only an end that Node.js sees
 * cuts it off.
 */
export class SysfsAccess implements PciAccess {
  readonly address: string;
  readonly kind: 'uio' | 'port-io';
  readonly config: Registers;
  readonly interrupts: PciInterrupts;
  readonly translated = undefined;
  readonly #files: DeviceFiles;
  readonly #configFd: number;
  readonly #uio: number;
  readonly #bars = new Map<number, { registers: Registers; close: () => void }>();
  #onRemoved: () => void = () => {};
  readonly #forgetExit: () => void;
  /** A process that ends with the port open leaves no device that writes to memory of others. */
  readonly #cutOff = (): void => {
    try {
      disableBusMaster(this.config);
    } catch {
      // It is gone, and reaches nothing any more.
    }
  };
  #watcher: FdWatcher | undefined;
  #open = true;

  /** @throws VioError VIO_PCI_PERMISSION, VIO_PCI_BUSY */
  constructor(files: DeviceFiles) {
    this.#files = files;
    this.address = files.address;
    const uio = files.names('uio')[0];
    this.kind = uio === undefined ? 'port-io' : 'uio';
    this.#uio = uio === undefined ? -1 : openUio(`/dev/${uio}`);
    try {
      if (uio === undefined) this.#enable('1');
      this.#configFd = this.#openFile('config');
    } catch (error) {
      if (this.#uio !== -1) closeFd(this.#uio);
      else this.#enable('0');
      throw error;
    }
    this.config = new FileRegisters(this.#configFd, 0, 256);
    enableDevice(this.config);
    this.#forgetExit = atExit(this.#cutOff);
    this.interrupts = {
      vectors: 0,
      line: uio !== undefined ? { enable: (onInterrupt) => this.#watchLine(onInterrupt) } : undefined,
      enableVectors: () => {},
      setVector: () => {},
      disable: () => this.#unwatchLine(),
    };
  }

  barSize(index: number): number {
    return this.#files.bars[index]?.size ?? 0;
  }

  bar(index: number): Registers {
    const known = this.#bars.get(index);
    if (known !== undefined) return known.registers;
    const { size, io } = this.#files.bars[index] ?? { size: 0, io: false };
    if (size === 0) throw missingBar(this.address, index);
    const fd = this.#openFile(`resource${index}`);
    if (io) {
      const registers = new FileRegisters(fd, 0, size);
      this.#bars.set(index, { registers, close: () => closeSync(fd) });
      return registers;
    }
    try {
      const registers = MmioRegisters.map(fd, 0, size);
      this.#bars.set(index, { registers, close: () => registers.close() });
      return registers;
    } catch (cause) {
      throw missingBar(this.address, index, cause);
    } finally {
      closeSync(fd);
    }
  }

  /** Always by physical address: nothing programs an IOMMU for this device, and one that translates would let nothing through. */
  allocateDma(bytes: number, physical: boolean, hugepages?: '2M' | '1G'): DmaMemory {
    const domain = this.#files.text('iommu_group/type');
    if (!physical && domain !== undefined && domain !== 'identity') {
      throw pciError(
        'VIO_PCI_DMA',
        `an IOMMU stands between ${this.address} and memory`,
        `use VFIO, which programs it: vio devbind --bind vfio-pci ${this.address}`,
      );
    }
    return physicalMemory(bytes, hugepages);
  }

  /** Nobody asks, but UIO tells when it is done. */
  onRemovalRequest(handler: () => void): () => void {
    this.#onRemoved = handler;
    return () => {
      if (this.#onRemoved === handler) this.#onRemoved = () => {};
    };
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#unwatchLine();
    for (const { close } of this.#bars.values()) close();
    this.#forgetExit();
    this.#cutOff();
    closeSync(this.#configFd);
    if (this.#uio !== -1) closeFd(this.#uio);
    else this.#enable('0');
  }

  #watchLine(onInterrupt: () => void): void {
    const counter = new Uint8Array(4);
    this.#watcher = new FdWatcher(this.#uio, { readable: true }, () => {
      try {
        readSync(this.#uio, counter);
        onInterrupt();
        // The kernel switched it off when it came; it stays off until now.
        setLineEnabled(this.config, true);
      } catch {
        this.#unwatchLine();
        this.#onRemoved();
      }
    });
    this.#watcher.unref();
    setLineEnabled(this.config, true);
  }

  #unwatchLine(): void {
    if (this.#watcher === undefined) return;
    this.#watcher.close();
    this.#watcher = undefined;
    try {
      setLineEnabled(this.config, false);
    } catch {
      // Gone: it interrupts nobody.
    }
  }

  /** A device without a driver is asleep: the kernel has to switch it on, and off when we are done. */
  #enable(value: '0' | '1'): void {
    try {
      this.#files.write('enable', value);
    } catch (cause) {
      if (value === '1') throw this.#permission('enable', cause);
    }
  }

  #openFile(name: string): number {
    try {
      return openSync(this.#files.path(name), 'r+');
    } catch (cause) {
      throw this.#permission(name, cause);
    }
  }

  #permission(name: string, cause: unknown) {
    return pciError(
      'VIO_PCI_PERMISSION',
      `cannot open ${this.#files.path(name)}`,
      'run as root, or use VFIO, which needs no more than access to /dev/vfio/GROUP',
      cause,
    );
  }
}

function openUio(path: string): number {
  return openDevice(path, {
    EACCES: { code: 'VIO_PCI_PERMISSION', remedy: `run as root, or as a user who may open ${path}` },
    EPERM: { code: 'VIO_PCI_PERMISSION', remedy: `hand ${path} to this container` },
    EBUSY: { code: 'VIO_PCI_BUSY', remedy: 'another process uses the device: end it first' },
  });
}
