// `vio run -i` on a PCI card, with everything by which it is looked at.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { Readable, Writable } from 'node:stream';
import { until } from '@vio/test-support/plain';
import { ip } from '../commands.ts';
import { giveBack, hand, interfaceOf, otherEnd } from './wire.ts';

const telemetry = '/tmp/console-telemetry.sock';
const metrics = '/tmp/console-metrics.sock';

/**
 * Sends packets by the prompt until the kernel has some, stops, and compares what is said of them, by whichever way it is asked.
 * @param vio the command, as it is installed: its page is files beside it
 */
export async function console(card: string, driver: string, vio: string) {
  hand(card, driver);
  const far = interfaceOf(otherEnd(card));
  ip([`link set ${far} up`]);
  const child = spawn(
    process.execPath,
    [vio, 'run', card, '-i', '--forward-mode', 'txonly', '--telemetry', telemetry, '--metrics', metrics],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const prompt = new Prompt(child);
  await prompt.says(/Checking link statuses[^]*Done/);
  const info = await prompt.asks('show port info 0', /Link speed.*/);
  await prompt.asks('start', /txonly/);
  await until(() => received(far) > 100);
  await prompt.asks('stop', /Done\./);
  const stats = await prompt.asks('show port stats 0', /TX-packets: *(\d+)/);
  const sent = Number(stats[1]);
  const { opackets } = (await ask('/ethdev/stats,0')) as { opackets: number };
  const counted = /^vio_tx_good_packets_total\{.*\} (\d+)$/m.exec(await get('/metrics'))?.[1];
  const look = await live();
  const page = await get('/');
  child.stdin.write('quit\n');
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  return {
    mac: /MAC address: *(\S+)/.exec(info.input ?? '')?.[1]?.toLowerCase(),
    kernelGot: received(far) > 100 && received(far) <= sent,
    sent: [sent, opackets, Number(counted), look.stats['tx_q0_good_packets']],
    kind: look.kind,
    rings: look.rings,
    page: /<title>[^<]*<\/title>/.exec(page)?.[0],
    exitCode,
    givenBack: giveBack(card),
  };
}

function received(name: string): number {
  return Number(readFileSync(`/sys/class/net/${name}/statistics/rx_packets`, 'utf8'));
}

/** What is typed, and what comes back. */
export class Prompt {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  #said = '';

  constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (more: string) => (this.#said += more));
  }

  /** Types a line, and waits until what is said since looks like this. */
  asks(line: string, answer: RegExp): Promise<RegExpExecArray> {
    this.#said = '';
    this.#child.stdin.write(`${line}\n`);
    return this.says(answer);
  }

  /** Waits until what is said looks like this. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#said);
      if (found !== null) return found;
      if (this.#child.exitCode !== null) throw new Error(`it ended; it had said ${this.#said}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** The result that telemetry gives. */
async function ask(question: string): Promise<unknown> {
  const socket = connect(telemetry);
  socket.write(`${question}\n`);
  let lines = 0;
  for await (const line of createInterface({ input: socket })) {
    // The first one is a greeting.
    if (lines++ === 0) continue;
    socket.destroy();
    return (JSON.parse(line) as { result: unknown }).result;
  }
  throw new Error('telemetry ended');
}

function get(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath: metrics, path }, (response) => resolve(text(response)))
      .on('error', reject)
      .end();
  });
}

/** What an open page is told first of the port. */
function live(): Promise<{ kind: string; stats: Readonly<Record<string, number>>; rings: number }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: metrics, path: '/live', agent: false }, (stream) => {
      let said = '';
      stream.setEncoding('utf8').on('data', (more: string) => {
        said += more;
        const look = /^event: look\ndata: (.*)$/m.exec(said)?.[1];
        if (look === undefined) return;
        const { port } = JSON.parse(look) as {
          port: { kind: string; stats: Readonly<Record<string, number>>; rings: unknown[] };
        };
        resolve({ kind: port.kind, stats: port.stats, rings: port.rings.length });
        asking.destroy();
      });
    });
    asking.on('error', reject).end();
  });
}
