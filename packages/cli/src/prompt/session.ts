import { VIRTIO_NET_F_RSS, VLAN_PRESENT } from '@vio/net';
import { isMulticast } from '@vio/net/internal';
import type { ChecksumWork } from '../forward/lane.ts';
import { ownChecksums } from '../forward/engines/csum.ts';
import type { ForwardMode } from '../forward/mode-names.ts';
import { type SendRetry, usualRetry } from '../forward/send-again.ts';
import type { PortTopology } from '../forward/topology.ts';
import type { Datapath, ForwardWork } from '../ports/datapath.ts';
import type { PortSlot } from '../ports/port-slot.ts';
import { partnerAmong } from '../ports/streams.ts';
import type { PortCounters } from './text/port-stats.ts';
import type { ShownPort } from './text/port-info.ts';
import type { ForwardedPackets } from './text/forward-stats.ts';
import type { Vocabulary } from './syntax.ts';

/** What a prompt begins with. */
export interface SessionOptions {
  readonly slots: readonly PortSlot[];
  readonly datapath: Datapath;
  readonly topology: PortTopology;
  readonly mode: ForwardMode;
  readonly segments: readonly number[];
  readonly burst: number;
  /** One more port, which nobody has opened. */
  readonly add: (devargs: string) => PortSlot;
  /** A port is gone for good. */
  readonly forget: (slot: PortSlot) => void;
  /** Opens a port that was closed. */
  readonly reopen: (slot: PortSlot, signal: AbortSignal) => Promise<void>;
  /** Writes lines down. */
  readonly say: (text: string) => void;
  /** Carries out the commands of a file. */
  readonly load: (file: string) => Promise<void>;
}

/** Modes that leave packets as they came, or send none. */
const untagged: ReadonlySet<ForwardMode> = new Set(['io', 'icmpecho', 'rxonly']);

/** A command that cannot be done, in testpmd's words where it has any. */
export class CommandFailure extends Error {}

/** What commands have said of a port, besides what the port itself knows. */
class PortSettings {
  promiscuous = false;
  allMulticast = false;
  /** Addresses that are received besides the port's own. */
  readonly macs = new Set<string>();
  /** VLANs that are received. */
  readonly vlans = new Set<number>();
  /** As somebody has set it. */
  mtu: number | undefined;
  /** The VLAN that packets are put into which leave. */
  txVlan: number | undefined;
  checksums: ChecksumWork = ownChecksums;
  /** Forwarding statistics count from these. */
  base: Readonly<Record<string, number>> = {};
  /** What `show port stats` said last. */
  shown: PortCounters | undefined;
}

/** What the commands of a prompt work on. */
export class PromptSession {
  readonly datapath: Datapath;
  readonly topology: PortTopology;
  readonly say: (text: string) => void;
  readonly load: (file: string) => Promise<void>;
  mode: ForwardMode;
  /** Packets for which there is no room are offered again. */
  retrying = false;
  /** How. */
  retry: SendRetry = usualRetry;
  segments: readonly number[];
  burst: number;
  /** Nothing more is asked. */
  quitting = false;
  /** Ends what a command waits for. */
  signal: AbortSignal = new AbortController().signal;
  /** MAC addresses behind ports, that somebody told of. */
  readonly peers = new Map<number, Uint8Array>();
  /** By number, those that are gone among them. */
  readonly #slots: readonly PortSlot[];
  readonly #reopen: SessionOptions['reopen'];
  readonly #add: SessionOptions['add'];
  readonly #forget: SessionOptions['forget'];
  readonly #settings = new Map<PortSlot, PortSettings>();

  constructor(options: SessionOptions) {
    this.#slots = options.slots;
    this.datapath = options.datapath;
    this.topology = options.topology;
    this.say = options.say;
    this.load = options.load;
    this.mode = options.mode;
    this.segments = options.segments;
    this.burst = options.burst;
    this.#reopen = options.reopen;
    this.#add = options.add;
    this.#forget = options.forget;
  }

  /** The ports there are. */
  get slots(): readonly PortSlot[] {
    return this.#slots.filter(({ attached }) => attached);
  }

  get vocabulary(): Vocabulary {
    return { ports: this.slots.map(({ number }) => number) };
  }

  /** Those that `all` or a number names. */
  named(ports: string): readonly PortSlot[] {
    return ports === 'all' ? this.slots : this.slots.filter(({ number }) => number === Number(ports));
  }

  slot(number: number): PortSlot {
    const slot = this.#slots[number];
    if (slot === undefined || !slot.attached) throw new CommandFailure(`Invalid port ${number}`);
    return slot;
  }

  settings(slot: PortSlot): PortSettings {
    const known = this.#settings.get(slot) ?? new PortSettings();
    this.#settings.set(slot, known);
    return known;
  }

  /** @throws CommandFailure when it was closed */
  opened(slot: PortSlot): NonNullable<PortSlot['port']> {
    if (slot.port === undefined) throw new CommandFailure(`Port ${slot.number} is closed`);
    return slot.port;
  }

  view(slot: PortSlot): ShownPort {
    const { number, device, driver, devargs } = slot;
    const { promiscuous, allMulticast } = this.settings(slot);
    const port = this.opened(slot);
    return { number, device, driver, devargs, started: slot.started, promiscuous, allMulticast, port };
  }

  /** @throws CommandFailure while packets are forwarded */
  whileNotForwarding(slot: PortSlot): void {
    if (this.datapath.running)
      throw new CommandFailure(`Please remove port ${slot.number} from forwarding configuration.`);
  }

  /** @throws CommandFailure when the port is started */
  whileStopped(slot: PortSlot): void {
    if (slot.started) throw new CommandFailure(`Please stop port ${slot.number} first`);
  }

  async start(txFirst: number): Promise<void> {
    if (this.datapath.running) throw new CommandFailure('Packet forwarding already started');
    if (this.slots.some(({ started }) => !started)) throw new CommandFailure('Not all ports were started');
    this.clearForwardStats();
    const { signal } = this;
    const giveUp = (): void => void this.datapath.stop();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await this.datapath.start(this.work(txFirst));
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
    if (!this.datapath.running) throw new CommandFailure('Packet forwarding was given up');
  }

  async stop(): Promise<void> {
    if (!this.datapath.running) throw new CommandFailure('Packet forwarding not started');
    await this.datapath.stop();
  }

  /** Closes a port and opens it with what has been configured meanwhile. What it was told before holds on. */
  async reopen(slot: PortSlot): Promise<void> {
    const before = slot.port;
    const { rules, control } = before ?? {};
    await this.close(slot);
    await this.#reopen(slot, this.signal);
    const settings = this.settings(slot);
    settings.shown = undefined;
    settings.base = {};
    const port = this.opened(slot);
    const wait = { signal: this.signal };
    if (settings.mtu !== undefined) await port.setMtu(settings.mtu, wait);
    if (settings.txVlan !== undefined) await port.setVlanOffload({ insert: true }, wait);
    if (rules?.vlanStrip === true) await port.setVlanOffload({ strip: true }, wait);
    if (settings.promiscuous) await port.control.setPromiscuous(true, wait);
    if (settings.allMulticast) await port.control.setAllMulticast(true, wait);
    if (settings.macs.size > 0) await this.tellMacs(slot);
    for (const id of settings.vlans) await port.control.addVlan(id, wait);
    const rss = control?.rss;
    const queues =
      rss === undefined ? 0 : Math.max(rss.transmitQueues, ...rss.table.map((queue) => queue + 1));
    if (rss !== undefined && queues <= port.control.maxPairs && (port.features & VIRTIO_NET_F_RSS) !== 0n)
      await port.control.setRss(rss, wait);
  }

  /** Has a port receive the addresses that were added. */
  async tellMacs(slot: PortSlot): Promise<void> {
    const all = [...this.settings(slot).macs];
    const wait = { signal: this.signal };
    await this.opened(slot).control.setMacTable(
      all.filter((mac) => !isMulticast(mac)),
      all.filter(isMulticast),
      wait,
    );
  }

  /** One more port, opened and stopped. @throws what opening it throws: it is not there then */
  async attach(devargs: string): Promise<PortSlot> {
    const slot = this.#add(devargs);
    try {
      await this.#reopen(slot, this.signal);
      await slot.stop();
      return slot;
    } catch (error) {
      await slot.detach();
      throw error;
    }
  }

  /** Takes a port away; the others keep their numbers. */
  async detach(slot: PortSlot): Promise<void> {
    this.#forget(slot);
    await slot.detach();
    await this.datapath.portClosed(slot.number);
    this.#settings.delete(slot);
  }

  async close(slot: PortSlot): Promise<void> {
    await slot.close();
    await this.datapath.portClosed(slot.number);
  }

  clearForwardStats(): void {
    for (const slot of this.slots) this.settings(slot).base = this.datapath.stats(slot.number);
  }

  /** What every port moved since forwarding began, or its statistics were cleared. */
  get forwarded(): Map<number, ForwardedPackets> {
    return new Map(
      this.slots.map((slot) => {
        const { base } = this.settings(slot);
        const now = this.datapath.stats(slot.number);
        const grown = (name: string): number => Math.max(0, (now[name] ?? 0) - (base[name] ?? 0));
        const dropped = this.datapath.streams
          .filter(({ to }) => to.port === slot.number)
          .reduce((all, { counts }) => all + counts.dropped, 0);
        return [
          slot.number,
          {
            received: grown('rx_good_packets'),
            missed: grown('rx_missed_errors'),
            sent: grown('tx_good_packets'),
            dropped,
          },
        ];
      }),
    );
  }

  /** Where packets go that come in by a port. */
  partnerOf(number: number): number {
    return partnerAmong(this.#slots, this.topology, number);
  }

  work(txFirst: number): ForwardWork {
    const { mode, segments, burst, peers } = this;
    const ports = this.slots.map((slot) => [slot.number, this.settings(slot)] as const);
    const checksums = new Map(ports.map(([number, settings]) => [number, settings.checksums]));
    // Whoever passes packets on as they are gives them no tag.
    const tags = new Map(
      untagged.has(mode)
        ? []
        : ports.flatMap(([number, { txVlan }]) =>
            txVlan === undefined ? [] : [[number, VLAN_PRESENT | txVlan] as const],
          ),
    );
    const retry = this.retrying ? this.retry : undefined;
    return { mode, segments, burst, txFirst, peers, checksums, tags, retry };
  }
}
