import { VioError } from '@vio/native';
import { type InterfaceState, KernelInterface } from '@vio/vhost-kernel/internal';
import type { InterfacePortConfig } from '../config/schema.ts';
import { InterfaceLink } from '../links/interface-link.ts';
import type { Endpoint, EndpointListener } from './endpoint.ts';

/** Milliseconds between two looks at an interface: of its carrier nobody tells. */
const lookInterval = 1000;

/**
 * An interface of this machine that is there already, whoever made it. When it goes, is set down or loses its carrier, the port has
 * nobody at its other end, and says why; it is looked at again and again.
 */
export class InterfaceEndpoint implements Endpoint {
  absence: Exclude<InterfaceState, 'up'> = 'missing';
  readonly #listener: EndpointListener;
  readonly #interface: KernelInterface;
  #link: InterfaceLink | undefined;
  #shown: InterfaceState | undefined;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  /** Code of what was told last. */
  #trouble: string | undefined;
  #closed = false;

  constructor(config: InterfacePortConfig, listener: EndpointListener) {
    this.#interface = new KernelInterface(config.interface);
    this.#listener = listener;
  }

  /** What cannot become right by itself is an error at once; an interface that is not there yet is none. */
  async start(): Promise<void> {
    this.#look();
    this.#timer = setInterval(() => this.#lookAgain(), lookInterval).unref();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    if (this.#timer !== undefined) clearInterval(this.#timer);
    if (this.#soon !== undefined) clearImmediate(this.#soon);
    if (this.#shown === 'up') this.#listener.linkChanged(undefined);
    this.#letGo();
    this.#interface.close();
    return Promise.resolve();
  }

  #lookAgain(): void {
    try {
      this.#look();
      this.#trouble = undefined;
    } catch (error) {
      if (!VioError.is(error)) throw error;
      // Once, not at every look.
      if (error.code !== this.#trouble) this.#listener.trouble('the interface cannot be used', error);
      this.#trouble = error.code;
    }
  }

  #look(): void {
    if (this.#closed) return;
    if (this.#link !== undefined && this.#interface.state === 'missing') {
      this.#show('missing');
      this.#letGo();
    }
    // Another one of the name may be there already.
    const { state } = this.#interface;
    this.#show(state === 'up' ? this.#opened() : state);
  }

  /** It may have gone meanwhile. */
  #opened(): InterfaceState {
    try {
      this.#link ??= this.#open();
      return 'up';
    } catch (error) {
      if (VioError.is(error) && error.code === 'VIO_INTERFACE_MISSING') return 'missing';
      throw error;
    }
  }

  #open(): InterfaceLink {
    const { name } = this.#interface;
    return new InterfaceLink(
      (memory, capacity) => this.#interface.open(memory, capacity),
      { interface: name, mac: this.#interface.mac, mtu: this.#interface.mtu },
      {
        wake: () => this.#listener.wake(),
        lost: () => this.#lookSoon(),
      },
    );
  }

  #show(state: InterfaceState): void {
    if (state === this.#shown) return;
    const before = this.#shown;
    this.#shown = state;
    if (state === 'up') return this.#listener.linkChanged(this.#link);
    this.absence = state;
    if (before === 'up') {
      this.#link?.disarm();
      this.#listener.linkChanged(undefined);
    }
    this.#listener.trouble('nobody is at the other end', absent(this.#interface.name, state));
  }

  #lookSoon(): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#lookAgain();
    });
  }

  #letGo(): void {
    this.#link?.close();
    this.#link = undefined;
    this.#interface.release();
  }
}

function absent(name: string, state: Exclude<InterfaceState, 'up'>): VioError {
  if (state === 'missing') {
    return new VioError(`there is no interface ${name}`, {
      code: 'VIO_INTERFACE_MISSING',
      remedy: 'make it: it is looked for again and again',
      retryable: true,
    });
  }
  const down = state === 'down';
  return new VioError(`the interface ${name} ${down ? 'is set down' : 'has no carrier'}`, {
    code: 'VIO_INTERFACE_DOWN',
    remedy: down
      ? 'set it up: `ip link set dev NAME up`'
      : 'see to its cable, or to the other end of the veth',
    retryable: true,
  });
}
