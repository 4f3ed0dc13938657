import type { WaitOptions } from '@vio/native';
import { checkWait } from '@vio/native/internal';
import {
  type ControlCommand,
  type RssConfig,
  type RxMode,
  mostKeyBytes,
  mostTableEntries,
  mostVlanId,
  requiredFeatures,
} from './commands.ts';
import { VIRTIO_NET_F_CTRL_VLAN } from '../feature-bits.ts';
import { type HashConfig, type RssLimits, defaultHashKey, supportedHashTypes } from '../rss/hash-types.ts';
import type { ControlChannel } from './control-channel.ts';
import { commandUnsupported, commandValue } from './control-errors.ts';
import { isMac, isMulticast } from '../frames/mac-address.ts';

/** The control side of a port. */
export interface NetControlOptions {
  /** Negotiated device features. */
  readonly features: bigint;
  /** How commands reach the device; undefined when it takes none. */
  readonly channel: ControlChannel | undefined;
  /** Queue pairs the port has. Default 1. */
  readonly maxPairs?: number;
  /** Queue pairs that are in use from the start. Default: 1, as the device begins. */
  readonly queuePairs?: number;
  /** False when receive modes, addresses and VLANs are accepted without being acted on. Default true. */
  readonly filters?: boolean;
  /** What the device can do of receive-side scaling and hash reports; undefined: it did not say. */
  readonly rss?: RssLimits | undefined;
  /** Called around a change of queue pairs, with their number: what is not used later stops before, and the rest begins after. */
  readonly onQueuePairs?: QueuePairsListener;
}

/** What is told of a change of the queue pairs in use. */
export interface QueuePairsListener {
  /** The device is about to be told; nothing may be sent on transmit queues from `pairs` on (5.1.9.5.6.1). */
  before(pairs: number, wait: WaitOptions): Promise<void> | void;
  /** The device uses `pairs` pairs. */
  after(pairs: number): void;
}

/**
 * What a port can tell its device by the control queue (virtio 1.4, section 5.1.9.5). Every method resolves when the
 * device has done it.
 * @throws VioError from all of them: VIO_CONTROL_UNSUPPORTED when the feature was not negotiated, VIO_CONTROL_VALUE
 *   for arguments no device takes, and those of `ControlChannel.execute`
 */
export class NetControl {
  /** Queue pairs that the port has. */
  readonly maxPairs: number;
  /** What the device can do of receive-side scaling and hash reports; undefined: it did not say. */
  readonly rssLimits: RssLimits | undefined;
  /**
   * False when the control queue is emulated for a backend that has none: receive modes, MAC tables and VLANs are accepted, as
   * virtio lets a device do (5.1.9.5.1), and every packet arrives as before.
   */
  readonly filters: boolean;
  readonly #features: bigint;
  readonly #listener: QueuePairsListener | undefined;
  #channel: ControlChannel | undefined;
  #queuePairs: number;
  #vlanFilter: boolean;
  /** The last command of each kind, to be given again to a device that has started anew. */
  readonly #given = new Map<string, ControlCommand>();

  /** @internal Ports have one. */
  constructor(options: NetControlOptions) {
    const { features, channel, maxPairs = 1, queuePairs = 1, onQueuePairs } = options;
    this.rssLimits = options.rss;
    this.filters = options.filters ?? true;
    this.#features = features;
    this.#channel = channel;
    this.maxPairs = maxPairs;
    this.#queuePairs = queuePairs;
    this.#listener = onQueuePairs;
    this.#vlanFilter = this.filters && (features & VIRTIO_NET_F_CTRL_VLAN) !== 0n;
  }

  /** False before the first `restart` of one that was made without a channel. */
  get connected(): boolean {
    return this.#channel !== undefined;
  }

  /** The address that was set last; undefined: none was. */
  get mac(): string | undefined {
    const command = this.#given.get('mac-address');
    return command?.kind === 'mac-address' ? command.mac : undefined;
  }

  /** Receive-side scaling as it was set last: table, key, hash types; undefined: it was not set. The arrays are copies. */
  get rss(): RssConfig | undefined {
    const command = this.#given.get('queues');
    return command?.kind === 'rss' ? copyOf(command.config) : undefined;
  }

  /** Hashes without receive-side scaling as they were set last; undefined: they were not set. */
  get hash(): HashConfig | undefined {
    const command = this.#given.get('hash');
    return command?.kind === 'hash'
      ? { ...command.config, key: Uint8Array.from(command.config.key) }
      : undefined;
  }

  /**
   * What `updateRss` begins with where nothing was set: all hash types that the device has, `defaultHashKey`, and a table as long as
   * the device allows (128 at most), which names the queue pairs in use by turns.
   */
  get defaultRss(): RssConfig {
    const entries = Math.min(usualTableEntries, this.rssLimits?.tableEntries ?? usualTableEntries);
    return {
      hashTypes: this.rssLimits?.hashTypes ?? supportedHashTypes,
      key: Uint8Array.from(defaultHashKey),
      table: Array.from({ length: entries }, (_, i) => i % this.#queuePairs),
      unclassified: 0,
      transmitQueues: this.#queuePairs,
    };
  }

  /**
   * True when the device receives only the VLANs of `addVlan`, which it does once CTRL_VLAN was negotiated; false when all tagged
   * frames arrive.
   */
  get vlanFilter(): boolean {
    return this.#vlanFilter;
  }

  /** Queue pairs in use, from the first on. */
  get queuePairs(): number {
    return this.#queuePairs;
  }

  /** Has the device use so many queue pairs, with automatic receive steering. @param pairs 1 to `maxPairs` */
  async setQueuePairs(pairs: number, wait: WaitOptions = {}): Promise<void> {
    const command = { kind: 'queue-pairs', pairs } as const;
    this.#check(command, wait);
    this.#checkPairs(pairs);
    await this.#changePairs(command, pairs, wait);
  }

  /**
   * Receive side scaling: the receive queue follows from a hash of the packet. Takes the place of `setQueuePairs`.
   * @throws VioError VIO_CONTROL_VALUE for what the device cannot do, and those of every command
   */
  async setRss(config: RssConfig, wait: WaitOptions = {}): Promise<void> {
    const command = { kind: 'rss', config } as const;
    this.#check(command, wait);
    const { table, unclassified, transmitQueues } = config;
    checkHash(config, this.rssLimits);
    const mostEntries = this.rssLimits?.tableEntries ?? mostTableEntries;
    if (table.length === 0 || (table.length & (table.length - 1)) !== 0 || table.length > mostEntries) {
      throw commandValue(
        `an indirection table of ${table.length} entries`,
        `give a power of two of them, ${this.rssLimits?.tableEntries ?? 128} at most`,
      );
    }
    for (const queue of [unclassified, ...table]) this.#checkPairs(queue + 1);
    this.#checkPairs(transmitQueues);
    await this.#changePairs(command, Math.max(transmitQueues, ...table.map((queue) => queue + 1)), wait);
  }

  /** Changes a part of receive-side scaling: the key, the hash types, the table. The rest stays as it is, or is `defaultRss`. */
  updateRss(changes: Partial<RssConfig>, wait: WaitOptions = {}): Promise<void> {
    return this.setRss({ ...(this.rss ?? this.defaultRss), ...changes }, wait);
  }

  /**
   * Changes entries of the indirection table, as `rte_eth_dev_rss_reta_update` does with a mask.
   * @param entries receive queue by index in the table
   * @throws VioError VIO_CONTROL_VALUE for an index that is not in the table, and as `setRss`
   */
  async updateRssTable(entries: ReadonlyMap<number, number>, wait: WaitOptions = {}): Promise<void> {
    const config = this.rss ?? this.defaultRss;
    const table = [...config.table];
    for (const [index, queue] of entries) {
      if (!(index in table)) {
        throw commandValue(
          `entry ${index} of an indirection table of ${table.length}`,
          `give 0 to ${table.length - 1}`,
        );
      }
      table[index] = queue;
    }
    await this.setRss({ ...config, table }, wait);
  }

  /** Which packets are hashed, and how, when the device reports hashes without receive side scaling. */
  setHash(config: HashConfig, wait: WaitOptions = {}): Promise<void> {
    return this.#execute({ kind: 'hash', config }, wait, () => checkHash(config, this.rssLimits));
  }

  /** All packets are received, whoever they are addressed to. As all filters: where `filters` is true. */
  setPromiscuous(on: boolean, wait: WaitOptions = {}): Promise<void> {
    return this.setRxMode('promiscuous', on, wait);
  }

  /** All multicast packets are received. */
  setAllMulticast(on: boolean, wait: WaitOptions = {}): Promise<void> {
    return this.setRxMode('allMulticast', on, wait);
  }

  /** Switches a mode of receive filtering (CTRL_RX, CTRL_RX_EXTRA). */
  setRxMode(mode: RxMode, on: boolean, wait: WaitOptions = {}): Promise<void> {
    return this.#execute({ kind: 'rx-mode', mode, on }, wait);
  }

  /** Addresses that are received besides the port's own; replaces those given before. */
  setMacTable(
    unicast: readonly string[],
    multicast: readonly string[],
    wait: WaitOptions = {},
  ): Promise<void> {
    return this.#execute({ kind: 'mac-table', unicast, multicast }, wait, () => {
      for (const mac of unicast) checkMac(mac, false);
      for (const mac of multicast) checkMac(mac, true);
    });
  }

  /** The port's own address. */
  setMac(mac: string, wait: WaitOptions = {}): Promise<void> {
    return this.#execute({ kind: 'mac-address', mac }, wait, () => checkMac(mac, false));
  }

  /** Packets of this VLAN are received. @param id 0 to 4095 */
  addVlan(id: number, wait: WaitOptions = {}): Promise<void> {
    return this.#execute({ kind: 'vlan-add', id }, wait, () => checkVlan(id));
  }

  /**
   * Off: frames of all VLANs are received, whichever were added; on: those that were added. A device has no command for it, so it is
   * told all that is missing, VLAN by VLAN.
   */
  async setVlanFilter(on: boolean, wait: WaitOptions = {}): Promise<void> {
    this.#check({ kind: 'vlan-add', id: 0 }, wait);
    // Where nobody filters, all arrive anyway.
    if (this.filters && on !== this.#vlanFilter) await this.#passOthers(!on, wait);
    this.#vlanFilter = this.filters && on;
  }

  /**
   * Stops receiving packets of a VLAN (CTRL_VLAN).
   * @param id 0 to 4095
   * @throws VioError VIO_CONTROL_VALUE for another id, and those of every command
   */
  async removeVlan(id: number, wait: WaitOptions = {}): Promise<void> {
    const command = { kind: 'vlan-remove', id } as const;
    if (this.#vlanFilter || !this.filters) return this.#execute(command, wait, () => checkVlan(id));
    this.#check(command, wait);
    checkVlan(id);
    // It goes on arriving, with all others, until the filter is on again.
    remember(this.#given, command);
  }

  /** The announcement the device asked for was made. */
  acknowledgeAnnounce(wait: WaitOptions = {}): Promise<void> {
    return this.#execute({ kind: 'announce-ack' }, wait);
  }

  /** @param offloads a mask of VIRTIO_NET_F_GUEST_* bits: those that are on from now on, of the negotiated ones */
  setGuestOffloads(offloads: bigint, wait: WaitOptions = {}): Promise<void> {
    return this.#execute({ kind: 'guest-offloads', offloads }, wait, () => {
      if ((offloads & ~this.#features) !== 0n) {
        throw commandValue('offloads that were not negotiated', 'turn on only what the port was opened with');
      }
    });
  }

  /**
   * For the owner of a device that has started anew: from now on commands go to this channel, first those given before.
   * @throws VioError of `ControlChannel.execute`
   */
  async restart(channel: ControlChannel | undefined, wait: WaitOptions = {}): Promise<void> {
    this.#channel = channel;
    for (const command of this.#given.values()) await channel?.execute(command, wait);
    if (this.filters && !this.#vlanFilter && (this.#features & VIRTIO_NET_F_CTRL_VLAN) !== 0n)
      await this.#passOthers(true, wait);
  }

  /** Has the device receive, or not, the VLANs that were not added. */
  async #passOthers(pass: boolean, wait: WaitOptions): Promise<void> {
    for (let id = 0; id <= mostVlanId; id++) {
      if (this.#given.has(`vlan ${id}`)) continue;
      await this.#channel?.execute({ kind: pass ? 'vlan-add' : 'vlan-remove', id }, wait);
    }
  }

  async #changePairs(command: ControlCommand, pairs: number, wait: WaitOptions): Promise<void> {
    await this.#listener?.before(Math.min(pairs, this.#queuePairs), wait);
    try {
      await this.#give(command, wait);
      this.#queuePairs = pairs;
    } finally {
      this.#listener?.after(this.#queuePairs);
    }
  }

  async #execute(command: ControlCommand, wait: WaitOptions, check = (): void => {}): Promise<void> {
    this.#check(command, wait);
    check();
    await this.#give(command, wait);
  }

  async #give(command: ControlCommand, wait: WaitOptions): Promise<void> {
    if (this.#channel === undefined) throw commandUnsupported(command, requiredFeatures(command));
    await this.#channel.execute(command, wait);
    remember(this.#given, command);
  }

  #check(command: ControlCommand, wait: WaitOptions): void {
    checkWait(`the command ${command.kind}`, wait);
    const missing = requiredFeatures(command) & ~this.#features;
    if (missing !== 0n) throw commandUnsupported(command, missing);
  }

  #checkPairs(pairs: number): void {
    if (Number.isInteger(pairs) && pairs >= 1 && pairs <= this.maxPairs) return;
    throw commandValue(
      `${pairs} queue pairs, of a port with ${this.maxPairs}`,
      `use 1 to ${this.maxPairs}, or open the port with more (queues=N)`,
    );
  }
}

/** Entries of a table, where nobody says otherwise: DPDK's number, which every device takes. */
const usualTableEntries = 128;

function copyOf(config: RssConfig): RssConfig {
  return { ...config, key: Uint8Array.from(config.key), table: [...config.table] };
}

/** Later commands make earlier ones void: those that set the same, and the two that choose the receive queues. */
function remember(given: Map<string, ControlCommand>, command: ControlCommand): void {
  const key = keyOf(command);
  if (key === undefined) return;
  given.delete(key);
  if (command.kind !== 'vlan-remove') given.set(key, command);
}

function keyOf(command: ControlCommand): string | undefined {
  switch (command.kind) {
    case 'rx-mode':
      return command.mode;
    case 'vlan-add':
    case 'vlan-remove':
      return `vlan ${command.id}`;
    case 'queue-pairs':
    case 'rss':
      return 'queues';
    case 'announce-ack':
      return undefined;
    default:
      return command.kind;
  }
}

function checkMac(mac: string, multicast: boolean): void {
  // All zeroes is nobody's address; DPDK and Linux refuse it as well.
  if (isMac(mac) && isMulticast(mac) === multicast && !/^[0:]+$/.test(mac)) return;
  throw commandValue(
    `${mac} is not a ${multicast ? 'multicast' : 'unicast'} address`,
    'give six bytes as in 02:00:00:00:00:01; the first is odd of a multicast address',
  );
}

function checkVlan(id: number): void {
  if (Number.isInteger(id) && id >= 0 && id <= mostVlanId) return;
  throw commandValue(`there is no VLAN ${id}`, `give 0 to ${mostVlanId}`);
}

function checkHash({ key, hashTypes }: HashConfig, limits: RssLimits | undefined): void {
  if (limits !== undefined && ((hashTypes & ~limits.hashTypes) !== 0 || key.length > limits.keyBytes)) {
    throw commandValue(
      `hash types 0x${hashTypes.toString(16)} and a key of ${key.length} bytes`,
      `the device has the types 0x${limits.hashTypes.toString(16)}, and takes keys of up to ${limits.keyBytes} bytes`,
    );
  }
  if (key.length > mostKeyBytes || (hashTypes !== 0 && key.length === 0)) {
    throw commandValue(`a hash key of ${key.length} bytes`, 'give 40 bytes, which every device takes');
  }
}
