// A loopback card in a process of its own, on the kernel's vdpa bus. The same program is both ends: see `cardMain`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { macToBytes } from '@vio/net';
import { sh } from '../commands.ts';
import { LoopbackCard } from './vduse-loopback.ts';

/** A card as a test asks for it; it goes to the process as JSON. */
export interface CardOptions {
  readonly name: string;
  /** Virtio device type. Default 1, a network card. */
  readonly deviceId?: number;
  /** Feature mask in hexadecimal. */
  readonly features: string;
  readonly pairs: number;
  readonly ringSize?: number;
  readonly mac: string;
  /** Device status bit it does not take. Default: it takes all. */
  readonly refuses?: number;
}

/** What a card has seen. */
export interface CardReport {
  readonly statuses: readonly number[];
  readonly features: string;
  readonly looped: number;
}

const netConfigBytes = 12;
const linkAt = 6;

/** True in the process of a card: it runs there, and the rest of the program does not. */
export function cardMain(): boolean {
  if (process.argv[2] !== 'card') return false;
  const options = JSON.parse(process.argv[3]) as CardOptions;
  const config = new Uint8Array(netConfigBytes);
  const view = new DataView(config.buffer);
  config.set(macToBytes(options.mac));
  view.setUint16(linkAt, 1, true);
  view.setUint16(8, options.pairs, true);
  view.setUint16(10, 9000, true);
  const card = new LoopbackCard({
    name: options.name,
    deviceId: options.deviceId ?? 1,
    features: BigInt(`0x${options.features}`),
    queues: 2 * options.pairs,
    ringSize: options.ringSize ?? 256,
    config,
    refuses: options.refuses ?? 0,
  });
  const commands: Readonly<Record<string, () => unknown>> = {
    'link up': () => card.device.setConfig(linkAt, Uint8Array.of(1, 0)),
    'link down': () => card.device.setConfig(linkAt, Uint8Array.of(0, 0)),
    remove: () => sh(`vdpa dev del ${options.name}`),
    hang: () => card.device.hang(),
    report: () => ({ statuses: card.statuses, features: card.features.toString(16), looped: card.looped }),
    end: () => {
      card.device.destroy();
      setImmediate(() => process.exit());
    },
  };
  createInterface(process.stdin).on('line', (line) => {
    void Promise.resolve(commands[line]()).then((answer) => console.log(JSON.stringify(answer ?? null)));
  });
  console.log('ready');
  return true;
}

/** The process of a card, seen from the test. */
export class Card {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** Starts the process and puts the card on the bus. */
  static async plug(options: CardOptions): Promise<Card> {
    const child = spawn(process.execPath, [process.argv[1], 'card', JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const card = new Card(options.name, child);
    await card.#answer();
    await card.add();
    return card;
  }

  private constructor(name: string, child: ChildProcess) {
    if (child.stdout === null) throw new Error('the card has no output');
    this.#name = name;
    this.#process = child;
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  /** On the bus vhost-vdpa finds it. */
  async add(): Promise<void> {
    await sh(`vdpa dev add name ${this.#name} mgmtdev vduse`);
  }

  /** Off the bus; waits for whoever has it open. */
  async remove(): Promise<void> {
    await this.command('remove');
  }

  async command(line: string): Promise<unknown> {
    this.#process.stdin?.write(`${line}\n`);
    return JSON.parse(await this.#answer());
  }

  async report(): Promise<CardReport> {
    return (await this.command('report')) as CardReport;
  }

  /** Takes the card away altogether. */
  async unplug(): Promise<void> {
    await this.remove();
    await this.end();
  }

  /** Ends the process of a card that is off the bus. */
  async end(): Promise<void> {
    const exit = once(this.#process, 'exit');
    await this.command('end');
    await exit;
  }

  async #answer(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the card has ended');
    return value;
  }
}

/** Nodes of vhost-vdpa devices. */
export function vdpaNodes(): string[] {
  return readdirSync('/dev')
    .filter((name) => name.startsWith('vhost-vdpa-'))
    .map((name) => `/dev/${name}`);
}
