// Ioctls of /dev/net/tun, as in linux/if_tun.h.
import { VioError, ioctl } from '@vio/native';
import { io, ior, iow, openDevice } from '@vio/native/internal';
import { interfaceRequest, nameIn } from '../interface/interface-ioctls.ts';

const type = 0x54; // 'T'
const TUNSETIFF = iow(type, 202, 4);
const TUNSETPERSIST = iow(type, 203, 4);
const TUNSETOWNER = iow(type, 204, 4);
const TUNSETGROUP = iow(type, 206, 4);
const TUNGETFEATURES = ior(type, 207, 4);
const TUNSETOFFLOAD = iow(type, 208, 4);
const TUNGETIFF = ior(type, 210, 4);
const TUNSETSNDBUF = iow(type, 212, 4);
const TUNSETVNETHDRSZ = iow(type, 216, 4);
const TUNSETQUEUE = iow(type, 217, 4);
const TUNSETCARRIER = iow(type, 226, 4);
const TUNGETDEVNETNS = io(type, 227);

export const IFF_TAP = 0x0002;
export const IFF_NAPI = 0x0010;
export const IFF_MULTI_QUEUE = 0x0100;
export const IFF_ATTACH_QUEUE = 0x0200;
export const IFF_DETACH_QUEUE = 0x0400;
export const IFF_NO_PI = 0x1000;
export const IFF_VNET_HDR = 0x4000;

/** What the process takes off the kernel's hands on frames it reads (TUNSETOFFLOAD). */
export const TUN_F_CSUM = 0x01;
/** Takes TCP over IPv4 that is not cut into segments. */
export const TUN_F_TSO4 = 0x02;
/** Takes TCP over IPv6 that is not cut into segments. */
export const TUN_F_TSO6 = 0x04;
/** Takes such TCP with ECN. */
export const TUN_F_TSO_ECN = 0x08;
/** Takes UDP datagrams that are not fragmented. */
export const TUN_F_UFO = 0x10;
/** Takes UDP over IPv4 that is not cut into segments. */
export const TUN_F_USO4 = 0x20;
/** Takes UDP over IPv6 that is not cut into segments. */
export const TUN_F_USO6 = 0x40;

export const tunDevice = '/dev/net/tun';

const flagsAt = 16;
const gone = {
  EBADFD: { code: 'VIO_TAP_GONE', remedy: 'the tap was deleted, or never made (TUNSETIFF): open it again' },
};
const loadTun = 'load the tun module, or hand /dev/net/tun to this container (--device /dev/net/tun)';

/** Opens the device that makes taps. @throws VioError VIO_TAP_UNAVAILABLE, VIO_TAP_PERMISSION */
export function openTun(): number {
  return openDevice(tunDevice, {
    ENOENT: { code: 'VIO_TAP_UNAVAILABLE', remedy: loadTun },
    ENODEV: { code: 'VIO_TAP_UNAVAILABLE', remedy: loadTun },
    EACCES: { code: 'VIO_TAP_PERMISSION', remedy: 'run as a user who may open /dev/net/tun' },
    EPERM: { code: 'VIO_TAP_PERMISSION', remedy: loadTun },
  });
}

/** @returns the IFF_* bits this kernel's tun knows */
export function tunFeatures(fd: number): number {
  const word = new Uint8Array(4);
  ioctl(fd, TUNGETFEATURES, word, 'ask for the features of tun');
  return new DataView(word.buffer).getUint32(0, true);
}

/**
 * Makes the descriptor a queue of an interface, which is created if there is none of the name.
 * @param name `tap0`; `tap%d` lets the kernel number it
 * @returns the name it has
 * @throws VioError VIO_TAP_PERMISSION, VIO_TAP_IN_USE, VIO_TAP_MISMATCH, VIO_TAP_QUEUES
 */
export function setInterface(fd: number, name: string, flags: number): string {
  const request = interfaceRequest(name);
  new DataView(request.buffer).setUint16(flagsAt, flags, true);
  ioctl(fd, TUNSETIFF, request, `open the tap ${name}`, {
    EPERM: {
      code: 'VIO_TAP_PERMISSION',
      remedy: 'run with CAP_NET_ADMIN, or let its owner make the tap first: ip tuntap add mode tap user NAME',
    },
    EBUSY: {
      code: 'VIO_TAP_IN_USE',
      remedy: `another process holds ${name}: stop it, or choose another name`,
    },
    EINVAL: { code: 'VIO_TAP_MISMATCH', remedy: otherKind(name, (flags & IFF_MULTI_QUEUE) !== 0) },
    E2BIG: { code: 'VIO_TAP_QUEUES', remedy: 'the kernel has no more queues for this tap: use fewer' },
  });
  return nameIn(request);
}

/**
 * As `setInterface`, for one queue: a tap that was made with multi_queue lets go of one as well, but only to those who name
 * it so.
 */
export function setSingleQueue(fd: number, name: string, flags: number): string {
  try {
    return setInterface(fd, name, flags);
  } catch (error) {
    if (!VioError.is(error) || error.code !== 'VIO_TAP_MISMATCH') throw error;
    try {
      return setInterface(fd, name, flags | IFF_MULTI_QUEUE);
    } catch (again) {
      // Neither: it is no tap at all, which the first answer says.
      throw VioError.is(again) && again.code === 'VIO_TAP_MISMATCH' ? error : again;
    }
  }
}

/** The kernel's EINVAL: there is an interface of the name, and it is something else. */
function otherKind(name: string, multiQueue: boolean): string {
  return multiQueue
    ? `${name} exists, and is no tap of several queues: ask for one queue, or make it with multi_queue`
    : `${name} exists, and is no tap: choose another name`;
}

/** @returns name and IFF_* bits of the interface a descriptor belongs to */
export function interfaceOf(fd: number): { name: string; flags: number } {
  const request = interfaceRequest('');
  ioctl(fd, TUNGETIFF, request, 'ask which tap a descriptor belongs to', {
    ...gone,
    EBADF: { code: 'VIO_TAP_MISMATCH', remedy: 'give a descriptor that is open' },
    ENOTTY: { code: 'VIO_TAP_MISMATCH', remedy: 'give a descriptor of /dev/net/tun' },
  });
  return { name: nameIn(request), flags: new DataView(request.buffer).getUint16(flagsAt, true) };
}

/** @returns a descriptor of the network namespace the interface is in now */
export function interfaceNamespace(fd: number): number {
  return ioctl(fd, TUNGETDEVNETNS, 0, 'ask where a tap is', gone);
}

export function setPersistent(fd: number, persistent: boolean): void {
  ioctl(fd, TUNSETPERSIST, persistent ? 1 : 0, 'make the tap stay or go');
}

export function setOwner(fd: number, uid: number): void {
  ioctl(fd, TUNSETOWNER, uid, `give the tap to user ${uid}`);
}

export function setGroup(fd: number, gid: number): void {
  ioctl(fd, TUNSETGROUP, gid, `give the tap to group ${gid}`);
}

/** @param offloads TUN_F_* bits. @throws VioError VIO_TAP_OFFLOAD for bits this kernel does not know */
export function setOffloads(fd: number, offloads: number): void {
  ioctl(fd, TUNSETOFFLOAD, offloads, `set the offloads 0x${offloads.toString(16)}`, {
    EINVAL: { code: 'VIO_TAP_OFFLOAD', remedy: 'ask for fewer offloads: UFO and USO depend on the kernel' },
  });
}

function setNumber(fd: number, request: number, value: number, what: string): void {
  const word = new Uint8Array(4);
  new DataView(word.buffer).setInt32(0, value, true);
  ioctl(fd, request, word, what);
}

/** Bytes of frames on their way to the process before senders have to wait. */
export function setSendBuffer(fd: number, bytes: number): void {
  setNumber(fd, TUNSETSNDBUF, bytes, `set the send buffer to ${bytes} bytes`);
}

/** @param bytes of the virtio-net header in front of every frame, 10 or 12 */
export function setHeaderBytes(fd: number, bytes: number): void {
  setNumber(fd, TUNSETVNETHDRSZ, bytes, `set the header size to ${bytes} bytes`);
}

/** Lets a queue of a multi-queue tap take part, or not. */
export function setQueueAttached(fd: number, attached: boolean): void {
  const request = interfaceRequest('');
  new DataView(request.buffer).setUint16(flagsAt, attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE, true);
  ioctl(fd, TUNSETQUEUE, request, attached ? 'attach a tap queue' : 'detach a tap queue');
}

/** What the kernel is to think of the cable. */
export function setCarrier(fd: number, on: boolean): void {
  setNumber(fd, TUNSETCARRIER, on ? 1 : 0, on ? 'plug the tap in' : 'unplug the tap');
}
