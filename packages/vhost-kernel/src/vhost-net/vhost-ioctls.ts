// Ioctls of /dev/vhost-net, as in linux/vhost.h. Rings are numbered 0 (receive) and 1 (transmit) within a queue pair.
import { ioctl } from '@vio/native';
import { openDevice, iow } from '@vio/native/internal';
import * as requests from '../vhost-requests.ts';

const VHOST_SET_MEM_TABLE = iow(requests.vhostType, 0x03, 8);
const VHOST_NET_SET_BACKEND = iow(requests.vhostType, 0x30, 8);

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
  ioctl(fd, requests.VHOST_GET_FEATURES, word, 'ask vhost-net for its features');
  return new DataView(word.buffer).getBigUint64(0, true);
}

export function setFeatures(fd: number, features: bigint): void {
  const what = `have vhost-net use the features 0x${features.toString(16)}`;
  ioctl(fd, requests.VHOST_SET_FEATURES, requests.word(features), what, {
    EOPNOTSUPP: {
      code: 'VIO_FEATURES_REFUSED',
      remedy: 'use only features that the kernel offers',
    },
  });
}

export function setOwner(fd: number): void {
  ioctl(fd, requests.VHOST_SET_OWNER, 0, 'own the vhost-net device', {
    EBUSY: { code: 'VIO_VHOST_NET_BUSY', remedy: 'open the device anew for every port' },
  });
}

export function setMemTable(fd: number, regions: readonly requests.KernelRegion[]): void {
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

export function setVringNum(fd: number, ring: number, size: number): void {
  const state = requests.vringState(ring, size);
  ioctl(fd, requests.VHOST_SET_VRING_NUM, state, `have a ring of ${size} descriptors`, {
    EINVAL: {
      code: 'VIO_VHOST_RING',
      remedy: 'choose a power of two up to 32768, before the ring is in use',
    },
    EBUSY: { code: 'VIO_VHOST_RING', remedy: 'take the ring from the tap before its size changes' },
  });
}

export function setVringBase(fd: number, ring: number, base: number): void {
  ioctl(fd, requests.VHOST_SET_VRING_BASE, requests.vringState(ring, base), `start the ring at ${base}`);
}

export function getVringBase(fd: number, ring: number): number {
  const state = requests.vringState(ring, 0);
  ioctl(fd, requests.VHOST_GET_VRING_BASE, state, 'ask where the ring stopped');
  return requests.vringValue(state);
}

export function setVringAddr(fd: number, ring: number, parts: requests.KernelRing): void {
  const address = requests.vringAddress(ring, parts);
  ioctl(fd, requests.VHOST_SET_VRING_ADDR, address, 'tell vhost-net where the ring is');
}

const notEventFd = { code: 'VIO_VHOST_EVENTFD', remedy: 'give an eventfd that is open' };

/** @param eventFd undefined: none */
export function setVringEvent(
  fd: number,
  event: requests.RingEvent,
  ring: number,
  eventFd: number | undefined,
): void {
  const file = requests.vringState(ring, eventFd);
  ioctl(fd, requests.ringEventRequests[event], file, `give vhost-net the ${event} eventfd`, {
    EINVAL: notEventFd,
    EBADF: notEventFd,
  });
}

/** Joins a ring to a queue of a tap, or parts them. @param tapFd undefined: none */
export function setBackend(fd: number, ring: number, tapFd: number | undefined): void {
  ioctl(fd, VHOST_NET_SET_BACKEND, requests.vringState(ring, tapFd), 'join vhost-net and the tap', {
    EFAULT: {
      code: 'VIO_VHOST_RING',
      remedy: 'the ring is not in memory that was shared, or its size is wrong',
    },
    EBADFD: { code: 'VIO_TAP_GONE', remedy: 'the tap was deleted: open the port again' },
  });
}
