// The kernel's TCP between two of its cards, in namespaces of their own: the only way from one to the other leads
// through a process that forwards between our two cards.
import type { OffloadOptions } from '@vio/net';
import { openPciPort } from '@vio/pci-driver';
import { ip } from '../commands.ts';
import { forward } from '../forward.ts';
import { tcpEcho } from '../tcp-echo.ts';
import { giveBack, hand, interfaceOf, otherEnd } from './wire.ts';

export interface TransferOptions {
  readonly bytes: number;
  /** Of the kernel's cards. Default 1500. */
  readonly mtu?: number;
  /** Of our ports. Default: none. */
  readonly offloads?: OffloadOptions;
}

/** @returns what came of it, and whether both cards went back to the kernel */
export async function transfer(red: string, blue: string, driver: string, options: TransferOptions) {
  const { bytes, mtu = 1500, offloads = {} } = options;
  const cards = [red, blue];
  for (const card of cards) hand(card, driver);
  const ports = await Promise.all(cards.map((card) => openPciPort(card, { offloads })));
  const far = cards.map((card) => interfaceOf(otherEnd(card)));
  intoNamespace('red', far[0], '10.3.0.1', mtu);
  intoNamespace('blue', far[1], '10.3.0.2', mtu);

  const stop = new AbortController();
  const forwarding = forward(ports[0], ports[1], stop.signal);
  const echo = await tcpEcho('red', 'blue', '10.3.0.2', bytes);
  stop.abort();
  await forwarding;
  const access = ports.map((port) => port.access);
  // Frames beyond the usual size, that each port received.
  const large = ports.map((port) => port.stats()['rx_q0_size_1519_max_packets'] ?? 0);
  for (const port of ports) await port.close();
  for (const [i, name] of ['red', 'blue'].entries()) outOfNamespace(name, far[i]);
  return { ...echo, large, access, givenBack: cards.every((card) => giveBack(card)) };
}

export function intoNamespace(name: string, card: string, address: string, mtu: number): void {
  ip([`netns add ${name}`, `link set ${card} netns ${name}`]);
  ip([`addr add ${address}/24 dev ${card}`, `link set ${card} mtu ${mtu} up`], name);
}

export function outOfNamespace(name: string, card: string): void {
  ip([`link set ${card} netns 1`], name);
  ip([`netns del ${name}`]);
}
