/** Ioctl numbers as the kernel's _IOC makes them. @param direction 1: it reads what is given; 2: it writes it */
const number = (direction: number, nr: number, bytes: number): number =>
  ((direction << 30) | (bytes << 16) | (0x81 << 8) | nr) >>> 0;

/** Bytes of the fixed part of what a device is made of; the configuration space follows. */
const configHead = 336;
/** Bytes of a name, its end included. */
export const nameBytes = 256;

// linux/vduse.h
export const VDUSE_SET_API_VERSION = number(1, 0x01, 8);
export const VDUSE_CREATE_DEV = number(1, 0x02, configHead);
export const VDUSE_DESTROY_DEV = number(1, 0x03, nameBytes);
export const VDUSE_IOTLB_GET_FD = number(3, 0x10, 32);
export const VDUSE_DEV_GET_FEATURES = number(2, 0x11, 8);
export const VDUSE_DEV_SET_CONFIG = number(1, 0x12, 8);
export const VDUSE_DEV_INJECT_CONFIG_IRQ = number(0, 0x13, 0);
export const VDUSE_VQ_SETUP = number(1, 0x14, 32);
export const VDUSE_VQ_GET_INFO = number(3, 0x15, 48);
export const VDUSE_VQ_SETUP_KICKFD = number(1, 0x16, 8);
export const VDUSE_VQ_INJECT_IRQ = number(1, 0x17, 4);

/** An answer: it could not be done. */
export const VDUSE_REQ_RESULT_FAILED = 1;

/** What the kernel asks for. */
export const VDUSE_GET_VQ_STATE = 0;
export const VDUSE_SET_STATUS = 1;
export const VDUSE_UPDATE_IOTLB = 2;
/** Bytes of such a question, and of its answer. */
export const requestBytes = 152;

/** Virtio device type of a network card. */
export const networkCard = 1;

/** What a device is made of. */
export interface VduseConfig {
  readonly name: string;
  /** Virtio device type. */
  readonly deviceId: number;
  readonly features: bigint;
  readonly queues: number;
  /** Descriptors of a queue at most. */
  readonly queueSize: number;
  readonly space: Uint8Array;
}

/** A virtqueue as the driver set it up; addresses are I/O addresses. */
export interface VduseQueue {
  /** Descriptors. */
  readonly size: number;
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
  /** As in `DeviceQueue.base()`. */
  readonly splitBase: number;
  readonly packedBase: number;
  readonly ready: boolean;
}

export function encodeName(name: string): Uint8Array {
  const bytes = new Uint8Array(nameBytes);
  new TextEncoder().encodeInto(name, bytes.subarray(0, nameBytes - 1));
  return bytes;
}

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
