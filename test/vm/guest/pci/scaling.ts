// Receive-side scaling of a PCI card, as somebody asks for it at the prompt of `vio run -i`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import { ip } from '../commands.ts';
import { Prompt } from './console.ts';
import { giveBack, hand, interfaceOf, otherEnd } from './wire.ts';

const here = '10.7.0.2';
const kernel = '10.7.0.1';
const flows = 24;
/** Of the table of QEMU's card. */
const entries = 128;

/**
 * Changes table, key and hash types at the prompt, and looks after each change on which queues the kernel's flows come in.
 * @param vio the command, as it is installed
 */
export async function scaling(card: string, driver: string, vio: string, pairs: number) {
  const far = interfaceOf(otherEnd(card));
  hand(card, driver);
  const args = [
    vio,
    'run',
    card,
    '-i',
    `--rxq=${pairs}`,
    `--txq=${pairs}`,
    '--forward-mode',
    'rxonly',
    '--no-telemetry',
  ];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const prompt = new Prompt(child);
  await prompt.says(/testpmd> $/);
  const tell = async (line: string): Promise<string> =>
    (await prompt.asks(line, /\n([^]*)testpmd> $/))[1].trimEnd();
  const mac = /MAC address: *(\S+)/.exec(await tell('show port info 0'))?.[1]?.toLowerCase() ?? '';
  ip([
    `addr add ${kernel}/24 dev ${far}`,
    `link set ${far} up`,
    `neigh add ${here} lladdr ${mac} dev ${far}`,
  ]);
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, kernel, resolve));
  await tell('start');

  /** The kernel sends flows. @returns the receive queues they came on, once there are as many packets as flows */
  async function received(): Promise<number[]> {
    await tell('clear port xstats 0');
    for (;;) {
      for (let flow = 0; flow < flows; flow++) socket.send('flow', 6000 + flow, here);
      const said = await tell('show port xstats 0');
      const counts = Array.from(said.matchAll(/^rx_q(\d+)_good_packets: (\d+)$/gm), ([, queue, packets]) => [
        Number(queue),
        Number(packets),
      ]);
      if (counts.reduce((sum, [, packets]) => sum + packets, 0) < 2 * flows) continue;
      return counts.filter(([, packets]) => packets > 0).map(([queue]) => queue);
    }
  }

  const table = (queue: (entry: number) => number): string =>
    Array.from({ length: entries }, (_, entry) => `(${entry},${queue(entry)})`).join(',');
  await tell('port config all rss udp');
  await tell(`port config 0 rss-hash-key ipv4 ${'6d5a'.repeat(20)}`);
  const came: Record<string, number[]> = {};
  await tell(`port config 0 rss reta ${table(() => 2)}`);
  came['all to 2'] = await received();
  await tell(`port config 0 rss reta ${table((entry) => entry % pairs)}`);
  came['spread'] = await received();
  socket.close();
  child.stdin.write('quit\n');
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  ip([`addr del ${kernel}/24 dev ${far}`, `link set ${far} down`]);
  return { came, exitCode, givenBack: giveBack(card) };
}
