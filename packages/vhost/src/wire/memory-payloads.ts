import { messageError } from './message-error.ts';
import {
  type PayloadCodec,
  checkAddress,
  checkRange,
  checkSize,
  checkU64,
  fixedPayload,
  readAddress,
  viewOf,
  writeAddress,
} from './payload-codec.ts';

/** Regions in one memory table; also the most descriptors that come with any message. */
export const maxMemoryRegions = 8;

/** One piece of the driver's memory. Its file descriptor travels beside the message. */
export interface MemoryRegion {
  /** Address of the first byte for the driver. */
  readonly guestAddress: number;
  /** Bytes, at least 1. */
  readonly size: number;
  /** Address of the first byte in the frontend's process. */
  readonly userAddress: number;
  /** Where the region starts in its file. */
  readonly mmapOffset: number;
}

const regionBytes = 32;
/** Bytes of the largest table with the room behind it; as much as lib/vhost reads of any message. */
const maxTableBytes = 1024;

function writeRegion(view: DataView, at: number, region: MemoryRegion): void {
  writeAddress(view, at, region.guestAddress);
  writeAddress(view, at + 8, region.size);
  writeAddress(view, at + 16, region.userAddress);
  writeAddress(view, at + 24, region.mmapOffset);
}

function readRegion(view: DataView, at: number): MemoryRegion {
  return {
    guestAddress: readAddress(view, at),
    size: readAddress(view, at + 8),
    userAddress: readAddress(view, at + 16),
    mmapOffset: readAddress(view, at + 24),
  };
}

function checkRegion(region: MemoryRegion, message: string, which: string): void {
  checkRange(region.size, 1, Number.MAX_SAFE_INTEGER, message, `the size of ${which}`);
  checkAddress(region.guestAddress, message, `the guest address of ${which}`);
  checkAddress(region.userAddress, message, `the user address of ${which}`);
  checkAddress(region.mmapOffset, message, `the mmap offset of ${which}`);
  checkAddress(region.guestAddress + region.size, message, `the guest address of the end of ${which}`);
  checkAddress(region.userAddress + region.size, message, `the user address of the end of ${which}`);
  checkAddress(region.mmapOffset + region.size, message, `the mmap offset of the end of ${which}`);
}

function checkNoOverlap(regions: readonly MemoryRegion[], message: string): void {
  const sorted = regions.toSorted((a, b) => a.guestAddress - b.guestAddress);
  for (let i = 1; i < sorted.length; i++) {
    const end = sorted[i - 1].guestAddress + sorted[i - 1].size;
    const start = sorted[i].guestAddress;
    if (start < end) {
      throw messageError(
        'VALUE',
        message,
        'the guest address of a region',
        start,
        `${end} or more (no overlap)`,
      );
    }
  }
}

/**
 * SET_MEM_TABLE: 1 to 8 regions that do not overlap in guest addresses. Senders that always send the whole of their C
 * structure (user-mode Linux: room for 2 regions, others: for 8) leave room behind the last one, which nobody looks at.
 */
export const memoryTable: PayloadCodec<readonly MemoryRegion[]> = {
  minBytes: 8 + regionBytes,
  maxBytes: maxTableBytes,
  encode(regions, message) {
    checkTable(regions, message);
    const bytes = new Uint8Array(8 + regions.length * regionBytes);
    const view = viewOf(bytes);
    view.setUint32(0, regions.length, true);
    regions.forEach((region, i) => writeRegion(view, 8 + i * regionBytes, region));
    return bytes;
  },
  decode(bytes, message) {
    checkSize(bytes.length, memoryTable.minBytes, memoryTable.maxBytes, message);
    const view = viewOf(bytes);
    const count = view.getUint32(0, true);
    checkRange(count, 1, maxMemoryRegions, message, 'the number of regions');
    checkSize(bytes.length, 8 + count * regionBytes, memoryTable.maxBytes, message);
    const regions = Array.from({ length: count }, (_, i) => readRegion(view, 8 + i * regionBytes));
    checkTable(regions, message);
    return regions;
  },
};

function checkTable(regions: readonly MemoryRegion[], message: string): void {
  checkRange(regions.length, 1, maxMemoryRegions, message, 'the number of regions');
  regions.forEach((region, i) => checkRegion(region, message, `region ${i}`));
  checkNoOverlap(regions, message);
}

/** ADD_MEM_REG, REM_MEM_REG. */
export const memoryRegion: PayloadCodec<MemoryRegion> = fixedPayload<MemoryRegion>({
  bytes: 8 + regionBytes,
  write: (view, region) => writeRegion(view, 8, region),
  read: (view) => readRegion(view, 8),
  check: (region, message) => checkRegion(region, message, 'the region'),
});

/** The dirty log: where it is in the file that comes along. */
export interface LogArea {
  /** Bytes, at least 1. */
  readonly size: number;
  /** Where the log begins in the file, in bytes. */
  readonly offset: number;
}

export const logArea: PayloadCodec<LogArea> = fixedPayload<LogArea>({
  bytes: 16,
  write(view, { size, offset }) {
    writeAddress(view, 0, size);
    writeAddress(view, 8, offset);
  },
  read: (view) => ({ size: readAddress(view, 0), offset: readAddress(view, 8) }),
  check({ size, offset }, message) {
    checkRange(size, 1, Number.MAX_SAFE_INTEGER, message, 'the log size');
    checkAddress(offset, message, 'the log offset');
    checkAddress(offset + size, message, 'the end of the log');
  },
});

/** The shared buffer in which a backend tracks what it has not finished. */
export interface Inflight {
  /** Bytes; 0 in GET_INFLIGHT_FD, where the backend says how much it needs. */
  readonly mmapSize: number;
  /** Where the area begins in the file, in bytes. */
  readonly mmapOffset: number;
  /** Queues that have a part of it. */
  readonly queues: number;
  /** Descriptors of each queue. */
  readonly queueSize: number;
}

/** Some implementations count the 4 bytes of padding at the end of the C structure, some do not. */
export const inflight: PayloadCodec<Inflight> = fixedPayload<Inflight>({
  bytes: 24,
  minBytes: 20,
  write(view, area) {
    writeAddress(view, 0, area.mmapSize);
    writeAddress(view, 8, area.mmapOffset);
    view.setUint16(16, area.queues, true);
    view.setUint16(18, area.queueSize, true);
  },
  read: (view) => ({
    mmapSize: readAddress(view, 0),
    mmapOffset: readAddress(view, 8),
    queues: view.getUint16(16, true),
    queueSize: view.getUint16(18, true),
  }),
  check(area, message) {
    checkAddress(area.mmapSize, message, 'the mmap size');
    checkAddress(area.mmapOffset, message, 'the mmap offset');
    checkAddress(area.mmapOffset + area.mmapSize, message, 'the end of the mapping');
    checkRange(area.queues, 1, 256, message, 'the number of queues');
    checkRange(area.queueSize, 1, 32768, message, 'the queue size');
  },
});

/** What an IOTLB message is about. */
export const iotlbType = { miss: 1, update: 2, invalidate: 3, accessFail: 4 } as const;

/** `struct vhost_iotlb_msg`. 64-bit values stay exact: an invalidation may span the whole address space. */
export interface IotlbMessage {
  /** I/O virtual address of the range. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** The same in the frontend's process. */
  readonly userAddress: bigint;
  /** Bit 0: read, bit 1: write. */
  readonly permissions: number;
  /** One of `iotlbType`. */
  readonly type: number;
}

export const iotlb: PayloadCodec<IotlbMessage> = fixedPayload<IotlbMessage>({
  bytes: 32,
  write(view, entry) {
    view.setBigUint64(0, entry.iova, true);
    view.setBigUint64(8, entry.size, true);
    view.setBigUint64(16, entry.userAddress, true);
    view.setUint8(24, entry.permissions);
    view.setUint8(25, entry.type);
  },
  read: (view) => ({
    iova: view.getBigUint64(0, true),
    size: view.getBigUint64(8, true),
    userAddress: view.getBigUint64(16, true),
    permissions: view.getUint8(24),
    type: view.getUint8(25),
  }),
  check(entry, message) {
    checkU64(entry.iova, message, 'the iova');
    checkU64(entry.size, message, 'the size');
    checkU64(entry.userAddress, message, 'the user address');
    checkRange(entry.permissions, 0, 3, message, 'permissions');
    checkRange(entry.type, iotlbType.miss, iotlbType.accessFail, message, 'the IOTLB message type');
  },
});
