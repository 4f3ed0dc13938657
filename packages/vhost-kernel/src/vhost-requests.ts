// What vhost-net and vhost-vdpa are asked alike: requests of linux/vhost.h, structures of linux/vhost_types.h.
import { io, ior, iow, iowr } from '@vio/native/internal';

/** Of all requests of linux/vhost.h. */
export const vhostType = 0xaf;
export const VHOST_GET_FEATURES = ior(vhostType, 0x00, 8);
export const VHOST_SET_FEATURES = iow(vhostType, 0x00, 8);
export const VHOST_SET_OWNER = io(vhostType, 0x01);
export const VHOST_SET_VRING_NUM = iow(vhostType, 0x10, 8);
export const VHOST_SET_VRING_ADDR = iow(vhostType, 0x11, 40);
export const VHOST_SET_VRING_BASE = iow(vhostType, 0x12, 8);
export const VHOST_GET_VRING_BASE = iowr(vhostType, 0x12, 8);
const VHOST_SET_VRING_KICK = iow(vhostType, 0x20, 8);
const VHOST_SET_VRING_CALL = iow(vhostType, 0x21, 8);
const VHOST_SET_VRING_ERR = iow(vhostType, 0x22, 8);

/** Which of the eventfds of a ring. */
export type RingEvent = 'kick' | 'call' | 'err';

/** Gives the kernel an eventfd of a ring. */
export const ringEventRequests: Readonly<Record<RingEvent, number>> = {
  kick: VHOST_SET_VRING_KICK,
  call: VHOST_SET_VRING_CALL,
  err: VHOST_SET_VRING_ERR,
};

/** A region as the kernel wants it: addresses of this process. */
export interface KernelRegion {
  readonly guestAddress: bigint;
  readonly size: bigint;
  readonly userAddress: bigint;
}

/** Parts of a ring, as addresses that the kernel or its device knows. Packed rings have their events in place of `avail` and `used`. */
export interface KernelRing {
  readonly descriptors: bigint;
  readonly used: bigint;
  readonly avail: bigint;
}

/** A number of 64 bits, as features are. */
export function word(value: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** `struct vhost_vring_state` and `struct vhost_vring_file` alike: ring and a number. @param value undefined: -1, no descriptor */
export function vringState(ring: number, value: number | undefined): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ring, true);
  view.setUint32(4, value ?? -1, true);
  return bytes;
}

/** The number that the kernel has put into a `vringState`. */
export function vringValue(state: Uint8Array<ArrayBuffer>): number {
  return new DataView(state.buffer).getUint32(4, true);
}

/** `struct vhost_vring_addr`: ring, flags, descriptors, used, avail, log. */
export function vringAddress(
  ring: number,
  { descriptors, used, avail }: KernelRing,
): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(40));
  view.setUint32(0, ring, true);
  view.setBigUint64(8, descriptors, true);
  view.setBigUint64(16, used, true);
  view.setBigUint64(24, avail, true);
  return new Uint8Array(view.buffer);
}
