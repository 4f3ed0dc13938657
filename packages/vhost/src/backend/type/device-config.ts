import type { ConfigSpace } from '@vio/net';
import { encodeConfigSpace, macBytes, macFromBytes } from '@vio/net/internal';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';

/** What all devices behind a socket say of themselves. */
export type CommonConfig = Omit<ConfigSpace, 'announce'>;

/** Tells a frontend unasked that the configuration space has changed. */
export interface ConfigChannel extends Disposable {
  /** @returns with `needReply`, whether the frontend has looked at it; else true once it is sent */
  configChanged(needReply: boolean): Promise<boolean>;
}

/** A write to the configuration space. */
export interface ConfigWrite {
  /** Bytes from the beginning of the space. */
  readonly offset: number;
  /** At least one byte, within the 256 of vhost-user. */
  readonly data: Uint8Array;
  /** A live migration restores it; else the driver writes. */
  readonly migrates: boolean;
  /** Negotiated device features. */
  readonly features: bigint;
}

/** The configuration space of a device. */
export interface ConfigStore {
  /** Its bytes, as they are now; what lies behind them is 0. */
  space(): Uint8Array;
  /** @returns false when what is written is not the driver's to write */
  write(what: ConfigWrite): boolean;
}

const nothing: CommonConfig = { mac: undefined, linkUp: true, maxPairs: 1, mtu: undefined };

/** What one device says of itself in its configuration space, and how its frontend hears of changes. */
export class DeviceConfigSpace implements ConfigStore, Disposable {
  /** Asks the driver to announce itself on the network, until it says that it has. */
  announcing = false;
  /** The address its driver gave it; undefined: none. */
  mac: string | undefined;
  readonly #common: () => CommonConfig;
  /** Of a device that is no network card, and keeps its own; else undefined. */
  readonly #store: ConfigStore | undefined;
  #channel: ConfigChannel | undefined;

  constructor(common: () => CommonConfig = () => nothing, store?: ConfigStore) {
    this.#common = common;
    this.#store = store;
  }

  /** The bytes of the configuration space, as it is now. */
  space(): Uint8Array {
    if (this.#store !== undefined) return this.#store.space();
    const common = this.#common();
    return encodeConfigSpace({ ...common, mac: this.mac ?? common.mac, announce: this.announcing });
  }

  /** Of a network card: a driver of the modern interface has no field to write, it changes its address by the control queue. */
  write(what: ConfigWrite): boolean {
    if (this.#store !== undefined) return this.#store.write(what);
    const { offset, data, migrates, features } = what;
    const writable = offset + data.length <= macBytes;
    if (!writable || (!migrates && (features & VIRTIO_F_VERSION_1) !== 0n)) return false;
    const mac = this.space().slice(0, macBytes);
    mac.set(data, offset);
    this.mac = macFromBytes(mac);
    return true;
  }

  /** Tells the frontend to look at it again, where it wants to know (BACKEND_REQ and CONFIG). @returns as `ConfigChannel` */
  changed(needReply = false): Promise<boolean> {
    return this.#channel?.configChanged(needReply) ?? Promise.resolve(false);
  }

  setChannel(channel: ConfigChannel): void {
    this.#channel?.[Symbol.dispose]();
    this.#channel = channel;
  }

  [Symbol.dispose](): void {
    this.#channel?.[Symbol.dispose]();
    this.#channel = undefined;
  }
}
