// Ioctls on a network interface by name (netdevice(7)), through any socket of its network namespace.
import { ioctl } from '@vio/native';
import { macToBytes } from '@vio/net';
import { macFromBytes } from '@vio/net/internal';

const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFMTU = 0x8921;
const SIOCSIFMTU = 0x8922;
const SIOCSIFHWADDR = 0x8924;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;

export const IFF_UP = 0x1;
export const IFF_RUNNING = 0x40;
const ARPHRD_ETHER = 1;

/** Longest name, without the terminating zero. */
export const maxInterfaceName = 15;
const requestBytes = 40;
const valueAt = 16;

/** A `struct ifreq` with the name filled in; the value begins at byte 16. */
export function interfaceRequest(name: string): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(requestBytes);
  new TextEncoder().encodeInto(name, request.subarray(0, maxInterfaceName));
  return request;
}

/** The name in a `struct ifreq`. */
export function nameIn(request: Uint8Array): string {
  const end = request.indexOf(0);
  return new TextDecoder().decode(request.subarray(0, end === -1 || end > valueAt ? valueAt : end));
}

const known = {
  ENODEV: {
    code: 'VIO_INTERFACE_MISSING',
    remedy: 'the interface was deleted, renamed or moved to another network namespace: open it again',
  },
  EPERM: { code: 'VIO_INTERFACE_PERMISSION', remedy: 'run with CAP_NET_ADMIN' },
};

/** @returns IFF_* bits */
export function interfaceFlags(socket: number, name: string): number {
  const request = interfaceRequest(name);
  ioctl(socket, SIOCGIFFLAGS, request, `read the flags of ${name}`, known);
  return new DataView(request.buffer).getUint16(valueAt, true);
}

export function setInterfaceFlags(socket: number, name: string, flags: number): void {
  const request = interfaceRequest(name);
  new DataView(request.buffer).setUint16(valueAt, flags, true);
  ioctl(socket, SIOCSIFFLAGS, request, `change the flags of ${name}`, known);
}

/** @returns bytes */
export function interfaceMtu(socket: number, name: string): number {
  const request = interfaceRequest(name);
  ioctl(socket, SIOCGIFMTU, request, `read the MTU of ${name}`, known);
  return new DataView(request.buffer).getInt32(valueAt, true);
}

/** @param mtu bytes, 68 to 65521 for a tap */
export function setInterfaceMtu(socket: number, name: string, mtu: number): void {
  const request = interfaceRequest(name);
  new DataView(request.buffer).setInt32(valueAt, mtu, true);
  ioctl(socket, SIOCSIFMTU, request, `set the MTU of ${name} to ${mtu}`, {
    ...known,
    EINVAL: { code: 'VIO_INTERFACE_MTU', remedy: 'a tap takes an MTU of 68 to 65521 bytes' },
  });
}

/** Whether its frames are those of Ethernet: not so of a tunnel, or of the loopback. */
export function isEthernet(socket: number, name: string): boolean {
  const request = interfaceRequest(name);
  ioctl(socket, SIOCGIFHWADDR, request, `read the type of ${name}`, known);
  return new DataView(request.buffer).getUint16(valueAt, true) === ARPHRD_ETHER;
}

/** @returns as in `02:00:00:00:00:01` */
export function interfaceMac(socket: number, name: string): string {
  const request = interfaceRequest(name);
  ioctl(socket, SIOCGIFHWADDR, request, `read the MAC address of ${name}`, known);
  return macFromBytes(request, valueAt + 2);
}

export function setInterfaceMac(socket: number, name: string, mac: string): void {
  const request = interfaceRequest(name);
  new DataView(request.buffer).setUint16(valueAt, ARPHRD_ETHER, true);
  request.set(macToBytes(mac), valueAt + 2);
  ioctl(socket, SIOCSIFHWADDR, request, `set the MAC address of ${name} to ${mac}`, {
    ...known,
    EADDRNOTAVAIL: { code: 'VIO_INTERFACE_MAC', remedy: 'give a unicast address, as in 02:00:00:00:00:01' },
  });
}

/** @returns the kernel's number of the interface */
export function interfaceIndex(socket: number, name: string): number {
  const request = interfaceRequest(name);
  ioctl(socket, SIOCGIFINDEX, request, `look up ${name}`, known);
  return new DataView(request.buffer).getInt32(valueAt, true);
}
