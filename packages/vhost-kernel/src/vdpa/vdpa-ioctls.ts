// Ioctls of /dev/vhost-vdpa-N, as in linux/vhost.h. Any of them may sleep: devices answer from other processes
// (VDUSE) or from firmware.
import { ioctlAsync, openDeviceAsync, io, ior, iow } from '@vio/native/internal';
import * as requests from '../vhost-requests.ts';

const type = requests.vhostType;
const VHOST_SET_BACKEND_FEATURES = iow(type, 0x25, 8);
const VHOST_GET_BACKEND_FEATURES = ior(type, 0x26, 8);
const VHOST_VDPA_GET_DEVICE_ID = ior(type, 0x70, 4);
const VHOST_VDPA_GET_STATUS = ior(type, 0x71, 1);
const VHOST_VDPA_SET_STATUS = iow(type, 0x72, 1);
const VHOST_VDPA_GET_CONFIG = ior(type, 0x73, 8);
const VHOST_VDPA_SET_VRING_ENABLE = iow(type, 0x75, 8);
const VHOST_VDPA_GET_VRING_NUM = ior(type, 0x76, 2);
const VHOST_VDPA_SET_CONFIG_CALL = iow(type, 0x77, 4);
const VHOST_VDPA_GET_IOVA_RANGE = ior(type, 0x78, 16);
const VHOST_VDPA_GET_CONFIG_SIZE = ior(type, 0x79, 4);
const VHOST_VDPA_GET_VQS_COUNT = ior(type, 0x80, 4);
const VHOST_VDPA_SUSPEND = io(type, 0x7d);

/** What the conversation itself can do (VHOST_BACKEND_F_*). */
export const VHOST_BACKEND_F_IOTLB_MSG_V2 = 1n << 1n;
export const VHOST_BACKEND_F_IOTLB_BATCH = 1n << 2n;
export const VHOST_BACKEND_F_SUSPEND = 1n << 4n;

/** First and last address that a device's I/O may use. */
export interface IovaRange {
  readonly first: bigint;
  readonly last: bigint;
}

const missing = {
  code: 'VIO_VDPA_UNAVAILABLE',
  remedy: 'load the module (modprobe vhost_vdpa) and make the device: vdpa dev add name NAME mgmtdev MGMT',
};

/** @throws VioError VIO_VDPA_UNAVAILABLE, VIO_VDPA_PERMISSION, VIO_VDPA_BUSY */
export function openVdpa(path: string): Promise<number> {
  return openDeviceAsync(path, {
    ENOENT: missing,
    ENODEV: missing,
    ENXIO: missing,
    EACCES: { code: 'VIO_VDPA_PERMISSION', remedy: `run as a user who may open ${path}` },
    EPERM: { code: 'VIO_VDPA_PERMISSION', remedy: `hand ${path} to this container (--device ${path})` },
    EBUSY: {
      code: 'VIO_VDPA_BUSY',
      remedy: 'another process has the device: stop it, or use another one',
      retryable: true,
    },
    // ENOTSUPP, which has no name outside the kernel.
    E524: {
      code: 'VIO_VDPA_IOMMU',
      remedy:
        'the device needs an IOMMU: switch it on (intel_iommu=on, amd_iommu=on) and see that it is in use',
    },
    EIO: {
      code: 'VIO_VDPA_UNRESPONSIVE',
      remedy: 'the process or firmware behind the device does not answer: start it again',
      retryable: true,
    },
  });
}

async function getNumber(fd: number, request: number, bytes: 1 | 2 | 4, what: string): Promise<number> {
  const word = new Uint8Array(4);
  await ioctlAsync(fd, request, word.subarray(0, bytes), what);
  return new DataView(word.buffer).getUint32(0, true);
}

async function getWord(fd: number, request: number, what: string): Promise<bigint> {
  const word = new Uint8Array(8);
  await ioctlAsync(fd, request, word, what);
  return new DataView(word.buffer).getBigUint64(0, true);
}

/** @returns the device type of virtio 1.4, section 5: 1 is a network card */
export const getDeviceId = (fd: number) =>
  getNumber(fd, VHOST_VDPA_GET_DEVICE_ID, 4, 'ask what kind of device it is');
/** @returns virtqueues, the control queue among them */
export const getQueueCount = (fd: number) =>
  getNumber(fd, VHOST_VDPA_GET_VQS_COUNT, 4, 'ask how many queues it has');
/** @returns descriptors a ring may have */
export const getMaxRingSize = (fd: number) =>
  getNumber(fd, VHOST_VDPA_GET_VRING_NUM, 2, 'ask how long rings may be');
export const getStatus = (fd: number) => getNumber(fd, VHOST_VDPA_GET_STATUS, 1, 'ask for the device status');
export const getFeatures = (fd: number) => getWord(fd, requests.VHOST_GET_FEATURES, 'ask for the features');
export const getBackendFeatures = (fd: number) =>
  getWord(fd, VHOST_GET_BACKEND_FEATURES, 'ask for the features of vhost-vdpa');

export async function setOwner(fd: number): Promise<void> {
  await ioctlAsync(fd, requests.VHOST_SET_OWNER, new Uint8Array(0), 'own the device', {
    EBUSY: { code: 'VIO_VDPA_BUSY', remedy: 'open the device anew for every port', retryable: true },
  });
}

export async function setFeatures(fd: number, features: bigint): Promise<void> {
  const what = `have the device use the features 0x${features.toString(16)}`;
  const refused = { code: 'VIO_FEATURES_REFUSED', remedy: 'use only features that the device offers' };
  await ioctlAsync(fd, requests.VHOST_SET_FEATURES, requests.word(features), what, {
    EINVAL: refused,
    EOPNOTSUPP: refused,
  });
}

export async function setBackendFeatures(fd: number, features: bigint): Promise<void> {
  await ioctlAsync(
    fd,
    VHOST_SET_BACKEND_FEATURES,
    requests.word(features),
    'agree on features with vhost-vdpa',
  );
}

export async function setStatus(fd: number, status: number): Promise<void> {
  const what = `set the device status 0x${status.toString(16)}`;
  await ioctlAsync(fd, VHOST_VDPA_SET_STATUS, Uint8Array.of(status), what);
}

export async function getIovaRange(fd: number): Promise<IovaRange> {
  const range = new Uint8Array(16);
  await ioctlAsync(fd, VHOST_VDPA_GET_IOVA_RANGE, range, 'ask which addresses the device can reach');
  const view = new DataView(range.buffer);
  return { first: view.getBigUint64(0, true), last: view.getBigUint64(8, true) };
}

/** @returns the first bytes of the configuration space, `most` or fewer */
export async function getConfig(fd: number, most: number): Promise<Uint8Array> {
  const size = await getNumber(fd, VHOST_VDPA_GET_CONFIG_SIZE, 4, 'ask how large the configuration is');
  const length = Math.min(size, most);
  if (length === 0) return new Uint8Array(0);
  const bytes = new Uint8Array(8 + length);
  new DataView(bytes.buffer).setUint32(4, length, true);
  await ioctlAsync(fd, VHOST_VDPA_GET_CONFIG, bytes, 'read the configuration');
  return bytes.subarray(8);
}

/** @param eventFd signalled whenever the configuration has changed */
export async function setConfigCall(fd: number, eventFd: number): Promise<void> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, eventFd, true);
  await ioctlAsync(fd, VHOST_VDPA_SET_CONFIG_CALL, bytes, 'give vhost-vdpa an eventfd');
}

/** Stops the device where it is. */
export async function suspend(fd: number): Promise<void> {
  await ioctlAsync(fd, VHOST_VDPA_SUSPEND, new Uint8Array(0), 'suspend the device');
}

const noSuchRing = {
  ENOBUFS: { code: 'VIO_VHOST_RING', remedy: 'the device has fewer queues: use fewer queue pairs' },
};

export async function setVringNum(fd: number, ring: number, size: number): Promise<void> {
  const state = requests.vringState(ring, size);
  await ioctlAsync(fd, requests.VHOST_SET_VRING_NUM, state, `have a ring of ${size} descriptors`, {
    ...noSuchRing,
    EINVAL: {
      code: 'VIO_VHOST_RING',
      remedy: 'the device has no rings of that size: choose a smaller power of two',
    },
  });
}

export async function setVringBase(fd: number, ring: number, base: number): Promise<void> {
  const state = requests.vringState(ring, base);
  await ioctlAsync(fd, requests.VHOST_SET_VRING_BASE, state, `start the ring at ${base}`, noSuchRing);
}

export async function getVringBase(fd: number, ring: number): Promise<number> {
  const state = requests.vringState(ring, 0);
  await ioctlAsync(fd, requests.VHOST_GET_VRING_BASE, state, 'ask where the ring stopped', noSuchRing);
  return requests.vringValue(state);
}

/** Parts of a ring, as the device knows them. */
export interface RingIova {
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
}

export async function setVringAddr(fd: number, ring: number, iova: RingIova): Promise<void> {
  const address = requests.vringAddress(ring, {
    descriptors: BigInt(iova.descriptors),
    used: BigInt(iova.device),
    avail: BigInt(iova.driver),
  });
  await ioctlAsync(
    fd,
    requests.VHOST_SET_VRING_ADDR,
    address,
    'tell the device where the ring is',
    noSuchRing,
  );
}

/** @param eventFd undefined: none */
export async function setVringEvent(
  fd: number,
  event: requests.RingEvent,
  ring: number,
  eventFd: number | undefined,
): Promise<void> {
  const what = `give the device the ${event} eventfd`;
  const file = requests.vringState(ring, eventFd);
  await ioctlAsync(fd, requests.ringEventRequests[event], file, what, noSuchRing);
}

export async function setVringEnable(fd: number, ring: number, enabled: boolean): Promise<void> {
  const what = enabled ? 'enable a ring' : 'disable a ring';
  await ioctlAsync(
    fd,
    VHOST_VDPA_SET_VRING_ENABLE,
    requests.vringState(ring, enabled ? 1 : 0),
    what,
    noSuchRing,
  );
}
