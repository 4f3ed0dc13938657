// Ioctls of /dev/vhost-net, as in linux/vhost.h. Rings are numbered 0 (receive) and 1 (transmit) within a queue pair.
import { ioctl } from '@vio/native';
import { openDevice } from '@vio/native/internal';
import { io, ior, iow, iowr } from '../ioctl-number.ts';

const type = 0xaf;
const VHOST_GET_FEATURES = ior(type, 0x00, 8);
const VHOST_SET_FEATURES = iow(type, 0x00, 8);
const VHOST_SET_OWNER = io(type, 0x01);
const VHOST_SET_MEM_TABLE = iow(type, 0x03, 8);
const VHOST_SET_VRING_NUM = iow(type, 0x10, 8);
const VHOST_SET_VRING_ADDR = iow(type, 0x11, 40);
const VHOST_SET_VRING_BASE = iow(type, 0x12, 8);
const VHOST_GET_VRING_BASE = iowr(type, 0x12, 8);
const VHOST_SET_VRING_KICK = iow(type, 0x20, 8);
const VHOST_SET_VRING_CALL = iow(type, 0x21, 8);
const VHOST_SET_VRING_ERR = iow(type, 0x22, 8);
const VHOST_NET_SET_BACKEND = iow(type, 0x30, 8);

/** A region as the kernel wants it: addresses of this process. */
export interface KernelRegion {
  readonly guestAddress: bigint;
  readonly size: bigint;
  readonly userAddress: bigint;
}

/** Parts of a split ring, as addresses of this process. */
export interface KernelRing {
  readonly descriptors: bigint;
  readonly used: bigint;
  readonly avail: bigint;
}

/** Which of the eventfds of a ring. */
export type RingEvent = 'kick' | 'call' | 'err';

const eventRequests: Readonly<Record<RingEvent, number>> = {
  kick: VHOST_SET_VRING_KICK,
  call: VHOST_SET_VRING_CALL,
  err: VHOST_SET_VRING_ERR,
};

/** @throws VioError VIO_VHOST_NET_UNAVAILABLE, VIO_VHOST_NET_PERMISSION */
export function openVhostNet(path: string): number {
  return openDevice(path, {
    ENOENT: { code: 'VIO_VHOST_NET_UNAVAILABLE', remedy: 'load the module (modprobe vhost_net)' },
    ENODEV: { code: 'VIO_VHOST_NET_UNAVAILABLE', remedy: 'load the module (modprobe vhost_net)' },
    ENXIO: { code: 'VIO_VHOST_NET_UNAVAILABLE', remedy: 'load the module (modprobe vhost_net)' },
    EACCES: {
      code: 'VIO_VHOST_NET_PERMISSION',
      remedy: `run as a user who may open ${path} (group kvm on most distributions)`,
    },
    EPERM: {
      code: 'VIO_VHOST_NET_PERMISSION',
      remedy: `hand ${path} to this container (--device ${path})`,
    },
  });
}

export function getFeatures(fd: number): bigint {
  const word = new Uint8Array(8);
  ioctl(fd, VHOST_GET_FEATURES, word, 'ask vhost-net for its features');
  return new DataView(word.buffer).getBigUint64(0, true);
}

export function setFeatures(fd: number, features: bigint): void {
  const word = new Uint8Array(8);
  new DataView(word.buffer).setBigUint64(0, features, true);
  ioctl(fd, VHOST_SET_FEATURES, word, `have vhost-net use the features 0x${features.toString(16)}`, {
    EOPNOTSUPP: {
      code: 'VIO_FEATURES_REFUSED',
      remedy: 'use only features that the kernel offers',
    },
  });
}

export function setOwner(fd: number): void {
  ioctl(fd, VHOST_SET_OWNER, 0, 'own the vhost-net device', {
    EBUSY: { code: 'VIO_VHOST_NET_BUSY', remedy: 'open the device anew for every port' },
  });
}

export function setMemTable(fd: number, regions: readonly KernelRegion[]): void {
  const table = new DataView(new ArrayBuffer(8 + 32 * regions.length));
  table.setUint32(0, regions.length, true);
  for (const [i, region] of regions.entries()) {
    table.setBigUint64(8 + 32 * i, region.guestAddress, true);
    table.setBigUint64(16 + 32 * i, region.size, true);
    table.setBigUint64(24 + 32 * i, region.userAddress, true);
  }
  ioctl(fd, VHOST_SET_MEM_TABLE, new Uint8Array(table.buffer), `share ${regions.length} memory regions`, {
    E2BIG: {
      code: 'VIO_VHOST_REGIONS',
      remedy: 'use fewer regions, or load vhost with a higher max_mem_regions',
    },
  });
}

/** `struct vhost_vring_state` and `struct vhost_vring_file` alike: ring and a number. */
function pair(ring: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ring, true);
  view.setUint32(4, value, true);
  return bytes;
}

export function setVringNum(fd: number, ring: number, size: number): void {
  ioctl(fd, VHOST_SET_VRING_NUM, pair(ring, size), `have a ring of ${size} descriptors`, {
    EINVAL: {
      code: 'VIO_VHOST_RING',
      remedy: 'choose a power of two up to 32768, before the ring is in use',
    },
    EBUSY: { code: 'VIO_VHOST_RING', remedy: 'take the ring from the tap before its size changes' },
  });
}

export function setVringBase(fd: number, ring: number, base: number): void {
  ioctl(fd, VHOST_SET_VRING_BASE, pair(ring, base), `start the ring at ${base}`);
}

export function getVringBase(fd: number, ring: number): number {
  const bytes = pair(ring, 0);
  ioctl(fd, VHOST_GET_VRING_BASE, bytes, 'ask where the ring stopped');
  return new DataView(bytes.buffer).getUint32(4, true);
}

export function setVringAddr(fd: number, ring: number, { descriptors, used, avail }: KernelRing): void {
  const view = new DataView(new ArrayBuffer(40));
  view.setUint32(0, ring, true);
  view.setBigUint64(8, descriptors, true);
  view.setBigUint64(16, used, true);
  view.setBigUint64(24, avail, true);
  ioctl(fd, VHOST_SET_VRING_ADDR, new Uint8Array(view.buffer), 'tell vhost-net where the ring is');
}

const notEventFd = { code: 'VIO_VHOST_EVENTFD', remedy: 'give an eventfd that is open' };

/** @param eventFd undefined: none, which is -1 to the kernel */
export function setVringEvent(fd: number, event: RingEvent, ring: number, eventFd: number | undefined): void {
  ioctl(fd, eventRequests[event], pair(ring, eventFd ?? -1), `give vhost-net the ${event} eventfd`, {
    EINVAL: notEventFd,
    EBADF: notEventFd,
  });
}

/** Joins a ring to a queue of a tap, or parts them. @param tapFd undefined: none, which is -1 to the kernel */
export function setBackend(fd: number, ring: number, tapFd: number | undefined): void {
  ioctl(fd, VHOST_NET_SET_BACKEND, pair(ring, tapFd ?? -1), 'join vhost-net and the tap', {
    EFAULT: {
      code: 'VIO_VHOST_RING',
      remedy: 'the ring is not in memory that was shared, or its size is wrong',
    },
    EBADFD: { code: 'VIO_TAP_GONE', remedy: 'the tap was deleted: open the port again' },
  });
}
