// What a device lets through, as its control queue is told: our port at one end of the wire, another one of ours at the
// other, which sends whatever frame it likes.
import { setTimeout as sleep } from 'node:timers/promises';
import { type NetControl, macToBytes } from '@vio/net';
import { openPciPort } from '@vio/pci-driver';
import { monitor } from '../monitor.ts';
import { giveBack, hand, otherEnd } from './wire.ts';

const other = '02:00:00:00:00:aa';
const multicast = '01:00:5e:00:00:05';
const vlan = 5;

/** @returns which frames arrive after each command, by the names of both; and how often the device had itself announced */
export async function filters(ours: string, driver: string) {
  const far = otherEnd(ours);
  for (const card of [ours, far]) hand(card, driver);
  const port = await openPciPort(ours);
  const peer = await openPciPort(far);
  const frames: Record<string, Uint8Array> = {
    own: frame(port.mac, 1),
    other: frame(other, 2),
    multicast: frame(multicast, 3),
    tagged: frame(port.mac, 4, vlan),
  };
  const received = port.packets();
  let marker = 16;

  /** The names of the frames that arrive; a broadcast behind them tells that no more will. */
  async function arriving(): Promise<string> {
    const end = ++marker;
    for (const each of Object.values(frames)) await peer.send(each);
    await peer.send(frame('ff:ff:ff:ff:ff:ff', end));
    const seen: string[] = [];
    for (;;) {
      const { value } = await received.next();
      if (value === undefined) return 'the port is closed';
      if (value.at(-1) === end) return seen.join(' ');
      const name = Object.keys(frames).find((key) => frames[key].at(-1) === value.at(-1));
      if (name !== undefined) seen.push(name);
    }
  }

  const commands: [string, (control: NetControl) => Promise<void>][] = [
    ['not promiscuous', (control) => control.setPromiscuous(false)],
    ['MAC table', (control) => control.setMacTable([other], [multicast])],
    ['empty MAC table', (control) => control.setMacTable([], [])],
    ['all multicast', (control) => control.setAllMulticast(true)],
    ['not all multicast', (control) => control.setAllMulticast(false)],
    ['VLAN', (control) => control.addVlan(vlan)],
    ['no VLAN', (control) => control.removeVlan(vlan)],
    ['another address', (control) => control.setMac(other)],
    ['promiscuous', (control) => control.setPromiscuous(true)],
  ];
  const report: Record<string, string> = { 'at first': await arriving() };
  for (const [name, command] of commands) {
    await command(port.control);
    report[name] = await arriving();
  }
  await monitor('announce_self');
  for (let i = 0; i < 400 && port.announcements === 0; i++) await sleep(25);
  const announced = port.announcements > 0;
  await received.return();
  await port.close();
  await peer.close();
  return { report, announced, givenBack: [ours, far].every((card) => giveBack(card)) };
}

/** A frame of an experimental type whose last byte tells what it is. */
function frame(to: string, id: number, tag?: number): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(macToBytes(to));
  bytes.set([2, 0, 0, 0, 0, 0xbb], 6);
  bytes.set(tag === undefined ? [0x88, 0xb5] : [0x81, 0, 0, tag, 0x88, 0xb5], 12);
  bytes[63] = id;
  return bytes;
}
