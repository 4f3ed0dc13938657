import type { ControlCommand, HashConfig, RssConfig, RxMode } from '@vio/net';

/** What a driver has asked for by its control queue, since it started (virtio 1.4, section 5.1.9.5). */
export interface DriverSettings {
  /** Queue pairs in use, from the first on: one until the driver says otherwise. */
  readonly queuePairs: number;
  /** Receive modes that are on. */
  readonly rxModes: ReadonlySet<RxMode>;
  /** The driver's address; undefined: it did not say. */
  readonly mac: string | undefined;
  /** Addresses it receives for besides its own. */
  readonly unicast: readonly string[];
  /** Multicast addresses that the driver wants. */
  readonly multicast: readonly string[];
  /** VLANs it receives. */
  readonly vlans: ReadonlySet<number>;
  /** Receive-side scaling; undefined: automatic receive steering. */
  readonly rss: RssConfig | undefined;
  /** Hashes to report when there is no `rss`. */
  readonly hash: HashConfig | undefined;
  /** Changes so far, of these and of the rings in use: who derives something from these settings does it anew when this has changed. */
  readonly version: number;
}

/** The same as commands change it. */
export class CommandedSettings implements DriverSettings {
  queuePairs = 1;
  readonly rxModes = new Set<RxMode>();
  mac: string | undefined;
  unicast: readonly string[] = [];
  multicast: readonly string[] = [];
  readonly vlans = new Set<number>();
  rss: RssConfig | undefined;
  hash: HashConfig | undefined;
  version = 0;

  /** Everything as at first. */
  reset(): void {
    this.queuePairs = 1;
    this.rxModes.clear();
    this.mac = undefined;
    this.unicast = [];
    this.multicast = [];
    this.vlans.clear();
    this.rss = undefined;
    this.hash = undefined;
    this.version++;
  }

  /** The commands that make these settings of those of a driver that has asked for nothing yet. */
  commands(): ControlCommand[] {
    const { mac, unicast, multicast, rss, hash, queuePairs } = this;
    const commands: ControlCommand[] = Array.from(this.rxModes, (mode) => ({
      kind: 'rx-mode',
      mode,
      on: true,
    }));
    if (mac !== undefined) commands.push({ kind: 'mac-address', mac });
    if (unicast.length + multicast.length > 0) commands.push({ kind: 'mac-table', unicast, multicast });
    for (const id of this.vlans) commands.push({ kind: 'vlan-add', id });
    if (hash !== undefined) commands.push({ kind: 'hash', config: hash });
    if (rss !== undefined) commands.push({ kind: 'rss', config: rss });
    else if (queuePairs > 1) commands.push({ kind: 'queue-pairs', pairs: queuePairs });
    return commands;
  }

  /** Takes over a command that was found good. */
  apply(command: ControlCommand): void {
    this.version++;
    switch (command.kind) {
      case 'rx-mode':
        if (command.on) this.rxModes.add(command.mode);
        else this.rxModes.delete(command.mode);
        return;
      case 'mac-table':
        this.unicast = command.unicast;
        this.multicast = command.multicast;
        return;
      case 'mac-address':
        this.mac = command.mac;
        return;
      case 'vlan-add':
        this.vlans.add(command.id);
        return;
      case 'vlan-remove':
        this.vlans.delete(command.id);
        return;
      case 'queue-pairs':
        this.queuePairs = command.pairs;
        this.rss = undefined;
        return;
      case 'rss':
        this.queuePairs = rssPairs(command.config);
        this.rss = command.config;
        return;
      case 'hash':
        this.hash = command.config;
        return;
      case 'announce-ack':
      case 'guest-offloads':
    }
  }
}

/** Queue pairs that receive or transmit with this configuration. */
export function rssPairs({ table, unclassified, transmitQueues }: RssConfig): number {
  return Math.max(transmitQueues, unclassified + 1, ...table.map((queue) => queue + 1));
}
