import type { VioError, WaitOptions } from '@vio/native';
import type { DevicePort } from '@vio/net';
import type { StreamEnd } from '../forward/stream.ts';
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
}

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

  /** @throws VioError as `openDevargs` does */
  async open({ wait, onWaiting, ...options }: SlotOptions, { signal }: WaitOptions): Promise<DevicePort> {
    const opening = { ...options, signal, portNumber: this.number };
    this.#opened = wait
      ? await openWhenThere(this.devargs, opening, onWaiting)
      : await openDevargs(this.devargs, opening);
    return this.#opened.port;
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.port.close();
  }

  /** Its queue pair as an end of streams; undefined: there is none. */
  end(queue: number): StreamEnd | undefined {
    const { port } = this;
    const rx = port?.rx[queue];
    const tx = port?.tx[queue];
    if (port === undefined || rx === undefined || tx === undefined) return undefined;
    return { port: this.number, queue, rx, tx, features: port.features };
  }
}
