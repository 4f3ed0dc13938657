import { VioError, type WaitOptions } from '@vio/native';
import type { DevicePort, OffloadOptions } from '@vio/net';
import type { StreamEnd } from '../forward/stream.ts';
import { completedDevargs, withDevarg } from '../options/devargs.ts';
import {
  type NamedPort,
  type PortOpening,
  namesPciDevice,
  openDevargs,
  openWhenThere,
} from '../open-devargs.ts';

/** How ports are opened. */
export interface SlotOptions extends PortOpening {
  /** Wait for a backend that is not there yet. */
  readonly wait: boolean;
  /** Is told once why a port has to wait. */
  readonly onWaiting: (reason: VioError) => void;
  /** Receive-side scaling for a port of several queues, where the device has it. */
  readonly scaled?: boolean;
}

/** What a port is opened with from the next time on. */
export type SlotChanges = Pick<PortOpening, 'pairs' | 'rxQueueSize' | 'txQueueSize'> & {
  readonly offloads?: OffloadOptions;
};

/** One of the ports of a program: what it is made of, and the port while it is open. */
export class PortSlot {
  /** From 0, as testpmd counts. */
  readonly number: number;
  /** As somebody gave them. */
  readonly devargs: string;
  /** Of the device, as in `net_virtio_user0` or `0000:00:04.0`. */
  readonly device: string;
  /** As DPDK calls it. */
  readonly driver: 'net_virtio' | 'net_virtio_user';
  #opened: NamedPort | undefined;
  #changes: SlotChanges = {};
  /** The address that it had when it was opened first: it keeps it. */
  #mac: string | undefined;
  #changed = false;
  #started = false;
  /** Somebody has taken the link down. */
  #down = false;
  #attached = true;

  constructor(number: number, devargs: string) {
    this.number = number;
    this.devargs = devargs;
    const [first] = devargs.split(',', 1);
    const pci = namesPciDevice(devargs);
    this.driver = pci ? 'net_virtio' : 'net_virtio_user';
    this.device = pci || !/[=/]/.test(first) ? first : `net_virtio_user${number}`;
  }

  /** Undefined while it is not open. */
  get port(): DevicePort | undefined {
    return this.#opened?.port;
  }

  /** What to call it: the path of its backend, or its address. */
  get name(): string {
    return this.#opened?.name ?? this.device;
  }

  /** It listens, and its backend connects. */
  get server(): boolean {
    return this.#opened?.server ?? false;
  }

  /** False: it is not one of the program's ports any more, and its number is nobody's. */
  get attached(): boolean {
    return this.#attached;
  }

  /** Packets may pass: it is open, and was not stopped. */
  get started(): boolean {
    return this.#started;
  }

  /** What it is opened with has changed, or it is closed: it has to be opened anew. */
  get changed(): boolean {
    return this.#changed || this.#opened === undefined;
  }

  /** @throws VioError as `openDevargs` does */
  async open(options: SlotOptions, wait: WaitOptions): Promise<DevicePort> {
    const opened = await this.#open(options, wait);
    this.#opened = opened;
    this.#mac ??= opened.port.mac;
    this.#changed = false;
    this.#started = true;
    this.#down = false;
    return opened.port;
  }

  /** From the next time on it is opened with these. */
  configure(changes: SlotChanges): void {
    const offloads = { ...this.#changes.offloads, ...changes.offloads };
    this.#changes = { ...this.#changes, ...changes, offloads };
    this.#changed = true;
  }

  async start(): Promise<void> {
    if (!this.#down) await this.port?.start();
    this.#started = this.port !== undefined;
  }

  async stop(): Promise<void> {
    this.#started = false;
    await this.port?.stop();
  }

  /** False: its link is down, and no packets pass, until it is true again. */
  async setLink(up: boolean): Promise<void> {
    this.#down = !up;
    if (!this.#started) return;
    await (up ? this.port?.start() : this.port?.stop());
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    this.#started = false;
    await opened?.port.close();
  }

  /** Closes it for good. */
  async detach(): Promise<void> {
    this.#attached = false;
    await this.close();
  }

  /** Its queue pair as an end of streams; undefined: there is none. */
  end(queue: number): StreamEnd | undefined {
    const { port } = this;
    const rx = port?.rx[queue];
    const tx = port?.tx[queue];
    if (port === undefined || rx === undefined || tx === undefined) return undefined;
    return { port: this.number, queue, rx, tx, features: port.features };
  }

  async #open(options: SlotOptions, { signal }: WaitOptions): Promise<NamedPort> {
    const { wait, onWaiting, scaled, ...given } = options;
    const { offloads: changed, ...changes } = this.#changes;
    const offloads = { ...given.offloads, ...changed };
    const opening = { ...given, ...changes, offloads, signal, portNumber: this.number };
    const devargs = this.#ownDevargs();
    const open = (how: PortOpening): Promise<NamedPort> =>
      wait ? openWhenThere(devargs, how, onWaiting) : openDevargs(devargs, how);
    if (scaled !== true || !this.#hasSeveralQueues(opening)) return open(opening);
    try {
      return await open({ ...opening, offloads: { ...offloads, rss: true } });
    } catch (error) {
      // A device without it serves a port as well.
      if (!VioError.is(error) || error.code !== 'VIO_OFFLOAD_UNAVAILABLE') throw error;
      return open(opening);
    }
  }

  /** With the address that it had before; a card has its own. */
  #ownDevargs(): string {
    if (this.#mac === undefined || this.driver === 'net_virtio' || /(^|,)\s*mac=/.test(this.devargs))
      return this.devargs;
    return withDevarg(completedDevargs(this.devargs), 'mac', this.#mac);
  }

  #hasSeveralQueues({ pairs }: PortOpening): boolean {
    return (pairs ?? Number(/(?:^|,)\s*queues=(\w+)/.exec(this.devargs)?.[1] ?? 1)) > 1;
  }
}
