// Ioctls of VFIO, as in linux/vfio.h: containers, groups and devices.
import { ioctl } from '@vio/native';

/** All requests are _IO(';', 100 + n): the structures say their size themselves. */
const request = (n: number): number => (0x3b << 8) | (100 + n);
const GET_API_VERSION = request(0);
const CHECK_EXTENSION = request(1);
const SET_IOMMU = request(2);
const GROUP_GET_STATUS = request(3);
const GROUP_SET_CONTAINER = request(4);
const GROUP_GET_DEVICE_FD = request(6);
const DEVICE_GET_REGION_INFO = request(8);
const DEVICE_GET_IRQ_INFO = request(9);
const DEVICE_SET_IRQS = request(10);
const DEVICE_RESET = request(11);
const IOMMU_GET_INFO = request(12);
const IOMMU_MAP_DMA = request(13);
const IOMMU_UNMAP_DMA = request(14);

/** Kinds of IOMMU that a container can have: a real one, or none at all. */
export const TYPE1V2 = 3;
export const NO_IOMMU = 8;
const GROUP_VIABLE = 1;
const REGION_MMAP = 4;
const IRQ_DATA_NONE = 1;
const IRQ_DATA_EVENTFD = 4;
const IRQ_UNMASK = 16;
const IRQ_TRIGGER = 32;
const CAP_IOVA_RANGE = 1;

export const INTX_INDEX = 0;
export const MSIX_INDEX = 2;
/** Signalled when the kernel wants the device back. */
export const REQUEST_INDEX = 4;
export const CONFIG_REGION = 7;

/** A structure whose first word is its size. */
function sized(bytes: number): { bytes: Uint8Array; view: DataView } {
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint32(0, bytes, true);
  return { bytes: new Uint8Array(view.buffer), view };
}

export function apiVersion(container: number): number {
  return ioctl(container, GET_API_VERSION, 0, 'ask VFIO for its version');
}

export function hasIommu(container: number, kind: number): boolean {
  return ioctl(container, CHECK_EXTENSION, kind, 'ask VFIO for its IOMMUs') === 1;
}

export function setIommu(container: number, kind: number): void {
  ioctl(container, SET_IOMMU, kind, 'have VFIO use the IOMMU', {
    ENODEV: { code: 'VIO_VFIO_UNAVAILABLE', remedy: 'switch the IOMMU on (intel_iommu=on), or use UIO' },
  });
}

/** True when every device of the group is VFIO's. */
export function groupIsViable(group: number): boolean {
  const { bytes, view } = sized(8);
  ioctl(group, GROUP_GET_STATUS, bytes, 'look at the IOMMU group');
  return (view.getUint32(4, true) & GROUP_VIABLE) !== 0;
}

export function setContainer(group: number, container: number): void {
  const word = new Uint8Array(4);
  new DataView(word.buffer).setInt32(0, container, true);
  ioctl(group, GROUP_SET_CONTAINER, word, 'use the IOMMU group', {
    EPERM: { code: 'VIO_PCI_PERMISSION', remedy: 'run as root: without an IOMMU, VFIO needs CAP_SYS_RAWIO' },
  });
}

/** @returns a descriptor of the caller's */
export function getDevice(group: number, address: string): number {
  const name = new TextEncoder().encode(`${address}\0`);
  return ioctl(group, GROUP_GET_DEVICE_FD, name, `open the device ${address}`, {
    ENODEV: { code: 'VIO_PCI_WRONG_DRIVER', remedy: 'bind it to vfio-pci' },
    EBUSY: { code: 'VIO_PCI_BUSY', remedy: 'another process uses the device: end it first' },
  });
}

export interface VfioRegion {
  /** Bytes, 0: there is none. */
  readonly size: number;
  /** Where it is in the device's file. */
  readonly offset: number;
  readonly mappable: boolean;
}

export function regionInfo(device: number, index: number): VfioRegion {
  const { bytes, view } = sized(32);
  view.setUint32(8, index, true);
  ioctl(device, DEVICE_GET_REGION_INFO, bytes, `look at region ${index} of the device`);
  return {
    size: Number(view.getBigUint64(16, true)),
    offset: Number(view.getBigUint64(24, true)),
    mappable: (view.getUint32(4, true) & REGION_MMAP) !== 0,
  };
}

/** How many interrupts of a kind the device has. */
export function irqCount(device: number, index: number): number {
  const { bytes, view } = sized(16);
  view.setUint32(8, index, true);
  ioctl(device, DEVICE_GET_IRQ_INFO, bytes, 'look at the interrupts of the device');
  return view.getUint32(12, true);
}

/** Interrupt i of the kind signals eventfd i. */
export function setIrqs(device: number, index: number, eventFds: readonly number[]): void {
  const view = irqSet(IRQ_DATA_EVENTFD | IRQ_TRIGGER, index, eventFds.length, 4 * eventFds.length);
  for (const [i, fd] of eventFds.entries()) view.setInt32(20 + 4 * i, fd, true);
  ioctl(device, DEVICE_SET_IRQS, new Uint8Array(view.buffer), `enable ${eventFds.length} interrupts`);
}

/** One interrupt of a kind that is enabled signals another eventfd from now on; undefined: none. */
export function setIrq(device: number, index: number, vector: number, eventFd: number | undefined): void {
  const view = irqSet(IRQ_DATA_EVENTFD | IRQ_TRIGGER, index, 1, 4);
  view.setUint32(12, vector, true);
  view.setInt32(20, eventFd ?? -1, true);
  ioctl(
    device,
    DEVICE_SET_IRQS,
    new Uint8Array(view.buffer),
    `have interrupt ${vector} signal another eventfd`,
  );
}

export function disableIrqs(device: number, index: number): void {
  const view = irqSet(IRQ_DATA_NONE | IRQ_TRIGGER, index, 0, 0);
  ioctl(device, DEVICE_SET_IRQS, new Uint8Array(view.buffer), 'disable interrupts');
}

/** INTx is masked when it comes, and stays so until this. */
export function unmaskLine(device: number): void {
  const view = irqSet(IRQ_DATA_NONE | IRQ_UNMASK, INTX_INDEX, 1, 0);
  ioctl(device, DEVICE_SET_IRQS, new Uint8Array(view.buffer), 'unmask the interrupt');
}

function irqSet(flags: number, index: number, count: number, dataBytes: number): DataView {
  const { view } = sized(20 + dataBytes);
  view.setUint32(4, flags, true);
  view.setUint32(8, index, true);
  view.setUint32(16, count, true);
  return view;
}

/** Resets the function, where it can be. @returns false if not */
export function resetFunction(device: number): boolean {
  try {
    ioctl(device, DEVICE_RESET, 0, 'reset the device');
    return true;
  } catch {
    return false;
  }
}

/** Addresses that the IOMMU translates, as [first, last]; all of them where it does not say. */
export function iovaRanges(container: number): [bigint, bigint][] {
  const { bytes, view } = sized(4096);
  ioctl(container, IOMMU_GET_INFO, bytes, 'look at the IOMMU');
  const ranges: [bigint, bigint][] = [];
  for (let at = view.getUint32(16, true); at !== 0 && at + 16 <= 4096; at = view.getUint32(at + 4, true)) {
    if (view.getUint16(at, true) !== CAP_IOVA_RANGE) continue;
    const count = Math.min(view.getUint32(at + 8, true), (4096 - at - 16) >> 4);
    for (let i = 0; i < count; i++) {
      const range = at + 16 + 16 * i;
      ranges.push([view.getBigUint64(range, true), view.getBigUint64(range + 8, true)]);
    }
  }
  return ranges.length === 0 ? [[0n, (1n << 39n) - 1n]] : ranges;
}

export function mapDma(container: number, userAddress: bigint, iova: bigint, size: number): void {
  const { bytes, view } = sized(32);
  view.setUint32(4, 3, true);
  view.setBigUint64(8, userAddress, true);
  view.setBigUint64(16, iova, true);
  view.setBigUint64(24, BigInt(size), true);
  ioctl(container, IOMMU_MAP_DMA, bytes, `have the IOMMU map ${size} bytes`, {
    ENOMEM: {
      code: 'VIO_MEMORY_LOCK',
      remedy: 'raise RLIMIT_MEMLOCK (ulimit -l): the memory is locked for the device',
    },
    EINVAL: {
      code: 'VIO_PCI_DMA',
      remedy: 'the IOMMU does not translate these addresses: share memory below them, or above',
    },
  });
}

export function unmapDma(container: number, iova: bigint, size: number): void {
  const { bytes, view } = sized(24);
  view.setBigUint64(8, iova, true);
  view.setBigUint64(16, BigInt(size), true);
  ioctl(container, IOMMU_UNMAP_DMA, bytes, 'have the IOMMU unmap memory');
}
