import { VioError } from '@vio/native';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import type { UplinkPortConfig } from '../config/schema.ts';
import { PortLink } from '../links/port-link.ts';
import type { Endpoint, EndpointListener } from './endpoint.ts';

/** Milliseconds between two attempts to reach the other end, at least and at most. */
const firstRetry = 200;
const lastRetry = 5000;
/** What is kept of the offloads of those behind the switch. */
const offloads = { rxChecksum: true, lro: true, txChecksum: true, tso: true };

/**
 * A virtio-net port of the switch's own: on a tap (`path=/dev/vhost-net`), a card, or a socket of another switch. It is looked for
 * until it is there, and again when it goes.
 */
export class UplinkEndpoint implements Endpoint {
  readonly absence = 'waiting';
  readonly #config: UplinkPortConfig;
  readonly #listener: EndpointListener;
  readonly #ending = new AbortController();
  #port: VirtioUserPort | undefined;
  #opening: Promise<void> = Promise.resolve();

  constructor(config: UplinkPortConfig, listener: EndpointListener) {
    this.#config = config;
    this.#listener = listener;
  }

  /** A wrong configuration is an error at once; an other end that is not there yet is none. */
  async start(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      if (!VioError.is(error) || !error.retryable) throw error;
      this.#listener.trouble('the other end is not there yet', error);
      this.#opening = this.#openLater(firstRetry);
    }
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#opening;
    if (this.#port === undefined) return;
    this.#listener.linkChanged(undefined);
    await this.#port.close();
    this.#port = undefined;
  }

  async #open(): Promise<void> {
    const { uplink, mtu } = this.#config;
    const options = {
      signal: this.#ending.signal,
      reconnect: { maxDelay: lastRetry },
      ...(mtu === undefined ? {} : { mtu }),
    };
    // Where the other end does not take them, packets are completed here.
    const port = await openVirtioUser(uplink, { ...options, offloads }).catch((error: unknown) => {
      if (!VioError.is(error) || error.code !== 'VIO_OFFLOAD_UNAVAILABLE') throw error;
      return openVirtioUser(uplink, options);
    });
    this.#port = port;
    // A switch wants what is addressed to others as well.
    await port.control.setPromiscuous(true).catch(() => {});
    const link = new PortLink(port, () => this.#listener.wake());
    port.on('link', ({ up, reason }) => {
      if (reason !== undefined) this.#listener.trouble('the other end is gone', reason);
      if (!this.#ending.signal.aborted) this.#listener.linkChanged(up ? link : undefined);
    });
    port.on('broken', ({ direction, queue, fault }) =>
      this.#listener.trouble(`${direction} queue ${queue} is broken`, {
        code: fault.code,
        message: fault.detail,
      }),
    );
    if (port.link.up) this.#listener.linkChanged(link);
  }

  async #openLater(delay: number): Promise<void> {
    const { signal } = this.#ending;
    for (let wait = delay; !signal.aborted; wait = Math.min(2 * wait, lastRetry)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait);
        signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
      });
      if (signal.aborted) return;
      try {
        return await this.#open();
      } catch (error) {
        if (!VioError.is(error)) throw error;
        if (!error.retryable) return this.#listener.trouble('the other end cannot be reached', error);
      }
    }
  }
}
