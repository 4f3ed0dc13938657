// What becomes of a port while an administrator works on its tap, with pings under way.
import type { LinkState } from '@vio/net';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { ip, sh } from '../commands.ts';
import { respond } from '../responder.ts';

const address = '10.5.0.1/24';
const peer = '10.5.0.2';

export async function followLink() {
  ip(['netns add away']);
  const port = await openVirtioUser('net_virtio_user0,path=/dev/vhost-net,iface=lnk0');
  const seen: string[] = [];
  const note = ({ up, reason }: LinkState) => seen.push(up ? 'up' : (reason?.code ?? 'down'));
  note(port.link);
  port.on('link', note);
  // An idle port does not keep a process alive.
  const alive = setInterval(() => {}, 1000);

  await linkAfter(port, [`addr add ${address} dev lnk0`, 'link set lnk0 up']);
  await linkAfter(port, ['link set lnk0 carrier off']);
  await linkAfter(port, ['link set lnk0 carrier on']);
  const stop = new AbortController();
  const answering = respond(port, peer, stop.signal);
  const received: Record<string, number> = {
    renamed: await pings(() => ip(['link set lnk0 name lnk1'])),
    moved: await pings(() => ip(['link set lnk1 netns away']), '', 1),
  };
  ip([`addr add ${address} dev lnk1`], 'away');
  await linkAfter(port, ['link set lnk1 up'], 'away');
  received['elsewhere'] = await pings(() => {}, 'ip netns exec away ');
  await linkAfter(port, ['link del lnk1'], 'away');
  // The port reads no more: its link is gone.
  await answering;
  await port.close();
  clearInterval(alive);
  ip(['netns del away']);
  return { seen, received };
}

/** The administrator does something that shows in the port's link. */
async function linkAfter(port: VirtioUserPort, lines: readonly string[], namespace?: string): Promise<void> {
  const changed = new Promise<void>((resolve) => port.once('link', () => resolve()));
  ip(lines, namespace);
  await changed;
}

/** Pings until twenty are answered, in the middle of which something happens. @returns answers; 0 when ping gave up */
async function pings(happens: () => void, prefix = '', seconds = 10): Promise<number> {
  const pinging = sh(`${prefix}ping -c 20 -i 0.02 -w ${seconds} ${peer}`).catch(String);
  setTimeout(happens, 200);
  return Number(/(\d+) received/.exec(await pinging)?.[1] ?? 0);
}
