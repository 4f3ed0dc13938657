// Cards of a guest: ours, driven from user space, and the kernel's at the other end of the wire, 8 slots further.
import { readFileSync } from 'node:fs';
import { bindDevice, describeDevice, unbindDevice } from '@vio/pci-driver';
import { ip } from '../commands.ts';

/** @param ours as in `0000:00:08.0`, whose other end is `0000:00:10.0` */
export function otherEnd(ours: string): string {
  const slot = Number.parseInt(ours.slice(8, 10), 16) + 8;
  return `0000:00:${slot.toString(16)}.0`;
}

/** The network interface that the kernel makes of a card. */
export function interfaceOf(address: string): string {
  const name = describeDevice(address)?.interfaces[0];
  if (name === undefined) throw new Error(`the kernel makes no interface of ${address}`);
  return name;
}

/** @param driver `none`: the kernel's is taken away and no other one put in its place. @returns the one it had */
export function hand(address: string, driver: string): string | undefined {
  return driver === 'none' ? unbindDevice(address) : bindDevice(address, driver);
}

/** Back to the kernel. @returns whether the card works there */
export function giveBack(address: string): boolean {
  bindDevice(address, 'virtio-pci');
  const name = interfaceOf(address);
  ip([`link set ${name} up`]);
  return readFileSync(`/sys/class/net/${name}/carrier`, 'utf8').trim() === '1';
}
