import { Tap } from '@vio/vhost-kernel';
import type { TapPortConfig } from '../config/schema.ts';
import { TapLink } from '../links/tap-link.ts';
import type { Endpoint, EndpointListener } from './endpoint.ts';

/** A tap interface of this machine. It is made, and set up; what is behind it (addresses, a bridge) is the administrator's. */
export class TapEndpoint implements Endpoint {
  readonly absence = 'waiting';
  readonly #config: TapPortConfig;
  readonly #listener: EndpointListener;
  #tap: Tap | undefined;
  #link: TapLink | undefined;

  constructor(config: TapPortConfig, listener: EndpointListener) {
    this.#config = config;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    const { tap: name, mtu } = this.#config;
    this.#tap = Tap.open({ name, up: true, ...(mtu === undefined ? {} : { mtu }) });
    this.#link = new TapLink(this.#tap, () => this.#listener.wake());
    this.#listener.linkChanged(this.#link);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.#tap === undefined) return Promise.resolve();
    this.#listener.linkChanged(undefined);
    this.#link?.close();
    this.#tap.close();
    this.#tap = undefined;
    return Promise.resolve();
  }
}
