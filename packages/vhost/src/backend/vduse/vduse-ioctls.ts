import { io, ior, iow, iowr } from '@vio/native/internal';

/** Of all requests of linux/vduse.h. */
const type = 0x81;

/** Bytes of the fixed part of what a device is made of; the configuration space follows. */
const configHead = 336;
/** Bytes of a name, its end included. */
export const nameBytes = 256;

// linux/vduse.h
/** Agrees on a version of the interface. */
export const VDUSE_SET_API_VERSION = iow(type, 0x01, 8);
/** Makes a device; on /dev/vduse/control. */
export const VDUSE_CREATE_DEV = iow(type, 0x02, configHead);
/** Takes a device away, by its name; on /dev/vduse/control. */
export const VDUSE_DESTROY_DEV = iow(type, 0x03, nameBytes);
/** A descriptor of a piece of the driver's memory, from an I/O address on. */
export const VDUSE_IOTLB_GET_FD = iowr(type, 0x10, 32);
/** The features that the driver accepted. */
export const VDUSE_DEV_GET_FEATURES = ior(type, 0x11, 8);
/** Changes the configuration space. */
export const VDUSE_DEV_SET_CONFIG = iow(type, 0x12, 8);
/** Tells the driver that the configuration space has changed. */
export const VDUSE_DEV_INJECT_CONFIG_IRQ = io(type, 0x13);
/** Says how many descriptors a queue has at most. */
export const VDUSE_VQ_SETUP = iow(type, 0x14, 32);
/** Where the driver has put a queue, and whether it is ready. */
export const VDUSE_VQ_GET_INFO = iowr(type, 0x15, 48);
/** Gives a queue the eventfd that its driver kicks. */
export const VDUSE_VQ_SETUP_KICKFD = iow(type, 0x16, 8);
/** Interrupts the driver for a queue. */
export const VDUSE_VQ_INJECT_IRQ = iow(type, 0x17, 4);

/** An answer: it could not be done. */
export const VDUSE_REQ_RESULT_FAILED = 1;

/** The kernel asks where a queue is. */
export const VDUSE_GET_VQ_STATE = 0;
/** The kernel says the device status. */
export const VDUSE_SET_STATUS = 1;
/** The kernel says that memory of the driver's is another, or gone. */
export const VDUSE_UPDATE_IOTLB = 2;
/** Bytes of such a question, and of its answer. */
export const requestBytes = 152;

/** What a device is made of. */
export interface VduseConfig {
  /** As under /dev/vduse. */
  readonly name: string;
  /** Virtio device type. */
  readonly deviceId: number;
  /** Offered to the driver. */
  readonly features: bigint;
  /** How many there are. */
  readonly queues: number;
  /** Descriptors of a queue at most. */
  readonly queueSize: number;
  /** The configuration space. */
  readonly space: Uint8Array;
}

/** A virtqueue as the driver set it up; addresses are I/O addresses. */
export interface VduseQueue {
  /** Descriptors. */
  readonly size: number;
  /** Of the descriptor table, or the packed ring. */
  readonly descriptors: number;
  /** Of the driver area. */
  readonly driver: number;
  /** Of the device area. */
  readonly device: number;
  /** Where a split ring goes on, as in `DeviceQueue.base()`. */
  readonly splitBase: number;
  /** The same of a packed one. */
  readonly packedBase: number;
  /** The driver has set it up. */
  readonly ready: boolean;
}

/** As the kernel takes it: 256 bytes, zeroes behind it. */
export function encodeName(name: string): Uint8Array {
  const bytes = new Uint8Array(nameBytes);
  new TextEncoder().encodeInto(name, bytes.subarray(0, nameBytes - 1));
  return bytes;
}

/** What VDUSE_CREATE_DEV is given. */
export function encodeConfig({ name, deviceId, features, queues, space }: VduseConfig): Uint8Array {
  const bytes = new Uint8Array(configHead + space.length);
  const view = new DataView(bytes.buffer);
  bytes.set(encodeName(name));
  view.setUint32(256, 0x1af4, true);
  view.setUint32(260, deviceId, true);
  view.setBigUint64(264, features, true);
  view.setUint32(272, queues, true);
  view.setUint32(276, 4096, true);
  view.setUint32(332, space.length, true);
  bytes.set(space, configHead);
  return bytes;
}

/** Of what VDUSE_VQ_GET_INFO fills in. */
export function decodeQueue(bytes: Uint8Array): VduseQueue {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [availWrap, avail, usedWrap, used] = [32, 34, 36, 38].map((at) => view.getUint16(at, true));
  return {
    size: view.getUint32(4, true),
    descriptors: Number(view.getBigUint64(8, true)),
    driver: Number(view.getBigUint64(16, true)),
    device: Number(view.getBigUint64(24, true)),
    splitBase: availWrap,
    packedBase: (avail | (availWrap << 15) | ((used | (usedWrap << 15)) << 16)) >>> 0,
    ready: view.getUint8(40) !== 0,
  };
}

/** Where a queue is, as the kernel wants to know it: four 16-bit numbers, of which a split ring has one. */
export function encodeState(base: number, packed: boolean): Uint16Array {
  if (!packed) return Uint16Array.of(base, 0, 0, 0);
  return Uint16Array.of((base >>> 15) & 1, base & 0x7fff, base >>> 31, (base >>> 16) & 0x7fff);
}
