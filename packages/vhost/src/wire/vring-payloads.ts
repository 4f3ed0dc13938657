import { messageError } from './message-error.ts';
import {
  type PayloadCodec,
  checkAddress,
  checkRange,
  fixedPayload,
  readAddress,
  writeAddress,
} from './payload-codec.ts';

/** Virtqueues a device can have over vhost-user: their index has to fit 8 bits. */
export const maxVrings = 256;
/** Descriptors in a virtqueue (virtio 1.4, sections 2.7 and 2.8). */
export const maxVringSize = 32768;

/** Flag of SET_VRING_ADDR: what the device writes to the ring is logged. */
export const VHOST_VRING_F_LOG = 1;

/** A number that belongs to a ring: its size, its base, or whether it is enabled. */
export interface VringState {
  /** 0 to 255 */
  readonly index: number;
  /** 32 bits, what they mean depends on the message. */
  readonly value: number;
}

/** A message about a file descriptor of a vring: kick, call, err. */
export interface VringFd {
  /** 0 to 255 */
  readonly index: number;
  /** False: no descriptor comes along, the peer polls (bit 8 of the payload). */
  readonly hasFd: boolean;
}

/** Addresses are user addresses (IOVAs with VIRTIO_F_ACCESS_PLATFORM). */
export interface VringAddress {
  /** 0 to 255 */
  readonly index: number;
  /** Bit 0: log writes to the device part (VHOST_VRING_F_LOG). */
  readonly flags: number;
  /** Descriptor table or packed ring; a multiple of 16. */
  readonly descriptors: number;
  /** Used ring or device event suppression; a multiple of 4. */
  readonly device: number;
  /** Available ring or driver event suppression; a multiple of 2. */
  readonly driver: number;
  /** Guest address that stands for the device part in the dirty log; 0 without bit 0 of the flags. */
  readonly log: number;
}

/** `{index, value}` with a value in the given range. */
export function vringState(min: number, max: number): PayloadCodec<VringState> {
  return fixedPayload<VringState>({
    bytes: 8,
    write(view, { index, value }) {
      view.setUint32(0, index, true);
      view.setUint32(4, value, true);
    },
    read: (view) => ({ index: view.getUint32(0, true), value: view.getUint32(4, true) }),
    check({ index, value }, message) {
      checkRange(index, 0, maxVrings - 1, message, 'the vring index');
      checkRange(value, min, max, message, 'the vring value');
    },
  });
}

/** Bit 8 of the payload. */
const noFd = 0x100;

/** As received: bits 9 to 63, which no sender may set, are kept until they have been checked. */
interface ReceivedVringFd extends VringFd {
  readonly reserved?: bigint;
}

function writeVringFd(view: DataView, { index, hasFd }: VringFd): void {
  view.setBigUint64(0, BigInt(index | (hasFd ? 0 : noFd)), true);
}

function readVringFd(view: DataView): ReceivedVringFd {
  const low = view.getUint32(0, true);
  const fd = { index: low & (maxVrings - 1), hasFd: (low & noFd) === 0 };
  const reserved = view.getBigUint64(0, true) >> 9n;
  return reserved === 0n ? fd : { ...fd, reserved };
}

function checkVringFd({ index, reserved = 0n }: ReceivedVringFd, message: string): void {
  checkRange(index, 0, maxVrings - 1, message, 'the vring index');
  if (reserved !== 0n) throw messageError('VALUE', message, 'bits 9 to 63 of the payload', reserved, '0');
}

export const vringFd: PayloadCodec<VringFd> = fixedPayload<ReceivedVringFd>({
  bytes: 8,
  write: writeVringFd,
  read: readVringFd,
  check: checkVringFd,
});

export const vringAddress: PayloadCodec<VringAddress> = fixedPayload<VringAddress>({
  bytes: 40,
  write(view, address) {
    view.setUint32(0, address.index, true);
    view.setUint32(4, address.flags, true);
    writeAddress(view, 8, address.descriptors);
    writeAddress(view, 16, address.device);
    writeAddress(view, 24, address.driver);
    writeAddress(view, 32, address.log);
  },
  read(view) {
    const flags = view.getUint32(4, true);
    return {
      index: view.getUint32(0, true),
      flags,
      descriptors: readAddress(view, 8),
      device: readAddress(view, 16),
      driver: readAddress(view, 24),
      // Nobody looks at it where nothing is logged, and user-mode Linux says -1 there.
      log: (flags & VHOST_VRING_F_LOG) === 0 ? 0 : readAddress(view, 32),
    };
  },
  check(address, message) {
    checkRange(address.index, 0, maxVrings - 1, message, 'the vring index');
    checkRange(address.flags, 0, VHOST_VRING_F_LOG, message, 'flags');
    checkAddress(address.descriptors, message, 'the descriptor address', 16);
    checkAddress(address.device, message, 'the used (device) address', 4);
    checkAddress(address.driver, message, 'the available (driver) address', 2);
    checkAddress(address.log, message, 'the log address');
  },
});

/** A piece of the backend's memory for a vring (BACKEND_VRING_HOST_NOTIFIER_MSG). */
export interface VringArea {
  /** Number of the ring, 0 to 255. */
  readonly index: number;
  /** False: the area of this vring is taken back. */
  readonly hasFd: boolean;
  /** Bytes of the doorbell's page. */
  readonly size: number;
  /** Where it begins in the file, in bytes. */
  readonly offset: number;
}

export const vringArea: PayloadCodec<VringArea> = fixedPayload<VringArea & ReceivedVringFd>({
  bytes: 24,
  write(view, area) {
    writeVringFd(view, area);
    writeAddress(view, 8, area.size);
    writeAddress(view, 16, area.offset);
  },
  read: (view) => ({ ...readVringFd(view), size: readAddress(view, 8), offset: readAddress(view, 16) }),
  check(area, message) {
    checkVringFd(area, message);
    checkAddress(area.size, message, 'the size of the area');
    checkAddress(area.offset, message, 'the offset of the area');
  },
});
