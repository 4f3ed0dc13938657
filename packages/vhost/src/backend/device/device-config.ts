import { type ConfigSpace, encodeConfigSpace } from '@vio/net';

/** What all devices behind a socket say of themselves. */
export type CommonConfig = Omit<ConfigSpace, 'announce'>;

/** Tells a frontend unasked that the configuration space has changed. */
export interface ConfigChannel extends Disposable {
  /** @returns with `needReply`, whether the frontend has looked at it; else true once it is sent */
  configChanged(needReply: boolean): Promise<boolean>;
}

const nothing: CommonConfig = { mac: undefined, linkUp: true, maxPairs: 1, mtu: undefined };

/** What one device says of itself in its configuration space, and how its frontend hears of changes. */
export class DeviceConfig implements Disposable {
  /** Asks the driver to announce itself on the network, until it says that it has. */
  announcing = false;
  /** The address its driver gave it; null: none. */
  mac: string | null = null;
  readonly #common: () => CommonConfig;
  #channel: ConfigChannel | null = null;

  constructor(common: () => CommonConfig = () => nothing) {
    this.#common = common;
  }

  /** The bytes of the configuration space, as it is now. */
  space(): Uint8Array {
    const common = this.#common();
    return encodeConfigSpace({ ...common, mac: this.mac ?? common.mac, announce: this.announcing });
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
    this.#channel = null;
  }
}
