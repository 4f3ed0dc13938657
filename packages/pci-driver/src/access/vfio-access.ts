import { existsSync } from 'node:fs';
import { EventFd, FdWatcher, SharedMemory, closeFd, type Registers } from '@vio/native';
import { FileRegisters, MmioRegisters, bufferAddress, openDevice } from '@vio/native/internal';
import { enableDevice } from './config-space.ts';
import type { DmaMemory, PciAccess, PciInterrupts, TranslatedAccess } from './pci-access.ts';
import { missingBar, pciError } from './pci-errors.ts';
import { physicalMemory } from './physical-memory.ts';
import type { DeviceFiles } from './sysfs.ts';
import * as vfio from './vfio-ioctls.ts';

/** Never address 0: a device takes a ring there for none at all. */
const lowestIova = 0x1000_0000n;
const fourGiB = 1n << 32n;

/**
 * A device through VFIO. With an IOMMU it reaches the memory it was given and nothing else, by addresses that the IOMMU
 * translates; when the process ends, however it ends, the kernel stops the device before the memory goes. Without one
 * (enable_unsafe_noiommu_mode) it goes by physical addresses, and nothing holds it back.
 */
export class VfioAccess implements PciAccess {
  readonly address: string;
  readonly kind: 'vfio' | 'vfio-noiommu';
  readonly config: Registers;
  readonly interrupts: PciInterrupts;
  readonly translated: TranslatedAccess | undefined;
  readonly #device: number;
  readonly #group: number;
  readonly #container: number;
  readonly #bars = new Map<number, { registers: Registers; close: () => void }>();
  readonly #vectors: number;
  /** An IOMMU translates the device's addresses. */
  readonly #translates: boolean;
  #nextIova = lowestIova;
  #removal: { event: EventFd; watcher: FdWatcher } | undefined;
  #line: { event: EventFd; watcher: FdWatcher } | undefined;
  #vectorsOn = false;
  #open = true;

  /** @throws VioError VIO_VFIO_UNAVAILABLE, VIO_VFIO_GROUP, VIO_PCI_PERMISSION, VIO_PCI_BUSY */
  constructor(files: DeviceFiles) {
    this.address = files.address;
    const number = files.link('iommu_group');
    if (number === undefined) {
      throw pciError(
        'VIO_VFIO_UNAVAILABLE',
        `no IOMMU stands in front of ${files.address}`,
        'switch it on (intel_iommu=on or amd_iommu=on), or VFIO without (enable_unsafe_noiommu_mode), or use uio_pci_generic',
      );
    }
    const unsafe = existsSync(`/dev/vfio/noiommu-${number}`);
    this.kind = unsafe ? 'vfio-noiommu' : 'vfio';
    this.#translates = !unsafe;
    const iommu = unsafe ? vfio.NO_IOMMU : vfio.TYPE1V2;
    const opened: number[] = [];
    try {
      const open = (path: string): number => {
        const fd = openVfio(path);
        opened.push(fd);
        return fd;
      };
      this.#container = open('/dev/vfio/vfio');
      checkContainer(this.#container, iommu);
      this.#group = open(`/dev/vfio/${unsafe ? 'noiommu-' : ''}${number}`);
      checkGroup(this.#group, number);
      vfio.setContainer(this.#group, this.#container);
      vfio.setIommu(this.#container, iommu);
      this.#device = vfio.getDevice(this.#group, files.address);
      opened.push(this.#device);
      const { offset, size } = vfio.regionInfo(this.#device, vfio.CONFIG_REGION);
      this.config = new FileRegisters(this.#device, offset, Math.min(size, 256));
      vfio.resetFunction(this.#device);
      enableDevice(this.config);
      this.#vectors = vfio.irqCount(this.#device, vfio.MSIX_INDEX);
    } catch (error) {
      for (const fd of opened.toReversed()) closeFd(fd);
      throw error;
    }
    this.translated = unsafe ? undefined : this.#translatedAccess();
    this.interrupts = {
      vectors: this.#vectors,
      line:
        vfio.irqCount(this.#device, vfio.INTX_INDEX) > 0
          ? { enable: (onInterrupt) => this.#watchLine(onInterrupt) }
          : undefined,
      enableVectors: (events) => this.#enableVectors(events),
      setVector: (vector, fd) => vfio.setIrq(this.#device, vfio.MSIX_INDEX, vector, fd),
      disable: () => this.#disableInterrupts(),
    };
  }

  #translatedAccess(): TranslatedAccess {
    return {
      map: (userAddress, address, bytes) => {
        vfio.mapDma(this.#container, userAddress, address, Number(bytes));
        return () => {
          if (this.#open) vfio.unmapDma(this.#container, address, Number(bytes));
        };
      },
      groupFd: this.#group,
      deviceFd: this.#device,
      barAt: (index) => {
        const { size, offset, mappable } = vfio.regionInfo(this.#device, index);
        return size > 0 && mappable ? offset : undefined;
      },
    };
  }

  barSize(index: number): number {
    return vfio.regionInfo(this.#device, index).size;
  }

  bar(index: number): Registers {
    const known = this.#bars.get(index);
    if (known !== undefined) return known.registers;
    const { size, offset, mappable } = vfio.regionInfo(this.#device, index);
    if (size === 0) throw missingBar(this.address, index);
    if (!mappable) {
      const registers = new FileRegisters(this.#device, offset, size);
      this.#bars.set(index, { registers, close: () => {} });
      return registers;
    }
    try {
      const registers = MmioRegisters.map(this.#device, offset, size);
      this.#bars.set(index, { registers, close: () => registers.close() });
      return registers;
    } catch (cause) {
      throw missingBar(this.address, index, cause);
    }
  }

  /**
   * Where the device goes past the IOMMU, addresses are physical ones, which the IOMMU maps to themselves: right
   * whether or not it is consulted.
   */
  allocateDma(bytes: number, physical: boolean, hugepages?: '2M' | '1G'): DmaMemory {
    if (!this.#translates) return physicalMemory(bytes, hugepages);
    if (physical) {
      const memory = physicalMemory(bytes, hugepages);
      return this.#mapped(memory, memory.address, -1);
    }
    const pages = hugepages === undefined ? {} : { hugepages };
    const memory = SharedMemory.create({ size: bytes, name: 'vio-pci', ...pages });
    try {
      const iova = this.#freeIova(BigInt(memory.size));
      this.#nextIova = iova + BigInt(memory.size);
      return this.#mapped(memory, iova, memory.fd);
    } catch (error) {
      memory.close();
      throw error;
    }
  }

  #mapped(memory: Pick<DmaMemory, 'buffer' | 'close'>, iova: bigint, fd: number | undefined): DmaMemory {
    const { buffer } = memory;
    const size = buffer.byteLength;
    try {
      vfio.mapDma(this.#container, bufferAddress(buffer), iova, size);
    } catch (error) {
      memory.close();
      throw error;
    }
    return {
      buffer,
      address: iova,
      fd,
      close: () => {
        if (this.#open) vfio.unmapDma(this.#container, iova, size);
        memory.close();
      },
    };
  }

  onRemovalRequest(handler: () => void): () => void {
    if (vfio.irqCount(this.#device, vfio.REQUEST_INDEX) === 0) return () => {};
    const event = EventFd.create();
    vfio.setIrqs(this.#device, vfio.REQUEST_INDEX, [event.fd]);
    const watcher = new FdWatcher(event.fd, { readable: true }, () => {
      event.drain();
      handler();
    });
    watcher.unref();
    this.#removal = { event, watcher };
    return () => watcher.close();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#disableInterrupts();
    this.#removal?.watcher.close();
    for (const { close } of this.#bars.values()) close();
    // The last descriptor of the device: the kernel resets it here.
    for (const fd of [this.#device, this.#group, this.#container]) closeFd(fd);
    this.#removal?.event.close();
  }

  /** Addresses not in use that the IOMMU translates, all between two multiples of 4 GiB. */
  #freeIova(size: bigint): bigint {
    for (const [first, last] of vfio.iovaRanges(this.#container)) {
      let at = first > this.#nextIova ? first : this.#nextIova;
      if (at / fourGiB !== (at + size - 1n) / fourGiB) at = (at / fourGiB + 1n) * fourGiB;
      if (at + size - 1n <= last) return at;
    }
    throw pciError(
      'VIO_PCI_DMA',
      `the IOMMU has no ${size} addresses left for ${this.address}`,
      'ask for smaller or fewer rings',
    );
  }

  #enableVectors(events: readonly EventFd[]): void {
    this.#disableInterrupts();
    vfio.setIrqs(
      this.#device,
      vfio.MSIX_INDEX,
      events.map(({ fd }) => fd),
    );
    this.#vectorsOn = true;
  }

  #watchLine(onInterrupt: () => void): void {
    this.#disableInterrupts();
    const event = EventFd.create();
    vfio.setIrqs(this.#device, vfio.INTX_INDEX, [event.fd]);
    const watcher = new FdWatcher(event.fd, { readable: true }, () => {
      event.drain();
      onInterrupt();
      vfio.unmaskLine(this.#device);
    });
    watcher.unref();
    this.#line = { event, watcher };
  }

  #disableInterrupts(): void {
    if (this.#line !== undefined) {
      this.#line.watcher.close();
      vfio.disableIrqs(this.#device, vfio.INTX_INDEX);
      this.#line.event.close();
      this.#line = undefined;
    }
    if (this.#vectorsOn) vfio.disableIrqs(this.#device, vfio.MSIX_INDEX);
    this.#vectorsOn = false;
  }
}

function openVfio(path: string): number {
  return openDevice(path, {
    ENOENT: {
      code: 'VIO_VFIO_UNAVAILABLE',
      remedy: 'load the module (modprobe vfio-pci), and bind the device to it',
    },
    ENODEV: { code: 'VIO_VFIO_UNAVAILABLE', remedy: 'load the module (modprobe vfio-pci)' },
    EACCES: { code: 'VIO_PCI_PERMISSION', remedy: `run as a user who may open ${path}` },
    EPERM: { code: 'VIO_PCI_PERMISSION', remedy: `hand ${path} to this container` },
    EBUSY: {
      code: 'VIO_PCI_BUSY',
      remedy: 'another process uses a device of this IOMMU group: end it first',
    },
  });
}

function checkContainer(container: number, iommu: number): void {
  if (vfio.apiVersion(container) === 0 && vfio.hasIommu(container, iommu)) return;
  throw pciError(
    'VIO_VFIO_UNAVAILABLE',
    iommu === vfio.TYPE1V2
      ? 'this kernel has no IOMMU driver for VFIO (type1)'
      : 'this kernel does not let VFIO go without an IOMMU now',
    iommu === vfio.TYPE1V2
      ? 'load the module (modprobe vfio_iommu_type1)'
      : 'echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode, as root',
  );
}

function checkGroup(group: number, number: string): void {
  if (vfio.groupIsViable(group)) return;
  throw pciError(
    'VIO_VFIO_GROUP',
    `other devices of IOMMU group ${number} are not bound to vfio-pci`,
    `bind all of /sys/kernel/iommu_groups/${number}/devices to vfio-pci, or unbind them`,
  );
}
