import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { VioError } from '@vio/native';
import { type VhostDevice, VhostDriver, controlFeatures, hashFeatures } from '@vio/vhost';
import { switchError } from '../config/errors.ts';
import type { SocketPortConfig } from '../config/schema.ts';
import { VhostLink } from '../links/vhost-link.ts';
import type { Endpoint, EndpointListener } from './endpoint.ts';

/** A frontend may return before the end of its last connection was seen. */
const mostConnections = 2;
/** Milliseconds between two looks for an application that listens. */
const retryMilliseconds = 200;

/** A vhost-user socket: this side listens on it, or looks for an application that does. */
export class SocketEndpoint implements Endpoint {
  readonly absence = 'waiting';
  readonly #socket: string;
  readonly #driver: VhostDriver;
  readonly #listener: EndpointListener;
  /** Those that run, from the oldest to the newest: the newest is the port's link. */
  readonly #links = new Map<VhostDevice, VhostLink>();

  constructor(config: SocketPortConfig, listener: EndpointListener) {
    const { socket, role, queues, mac, mtu, mode, uid, gid } = config;
    this.#socket = socket;
    this.#listener = listener;
    const rights = {
      ...(mode === undefined ? {} : { mode }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    };
    const driver = VhostDriver.register(socket, {
      client: role === 'client',
      maxConnections: mostConnections,
      retry: retryMilliseconds,
      socket: rights,
    });
    driver.setQueueNum(queues);
    // Drivers may choose how many queues they use, how frames are spread over them, and what they want to receive.
    driver.enableFeatures(controlFeatures | hashFeatures);
    if (mac !== undefined || mtu !== undefined) {
      driver.setNetConfig({ ...(mac === undefined ? {} : { mac }), ...(mtu === undefined ? {} : { mtu }) });
    }
    const trouble = (what: string, reason: Pick<VioError, 'code' | 'message'>): void =>
      listener.trouble(what, reason);
    driver.callbacks({
      newDevice: (device) => this.#arrived(device),
      destroyDevice: (device) => this.#left(device),
      vringStateChanged: (device) => {
        this.#links.get(device)?.changed();
        listener.wake();
      },
      broken: (_device, queue, fault) =>
        trouble(`ring ${queue} is broken`, { code: fault.code, message: fault.detail }),
      refused: (_device, reason) => trouble('a request was refused', reason),
      connectionRefused: (reason) => trouble('a frontend was refused', reason),
      exhausted: (_device, reason) => trouble('a request waits', reason),
      destroyConnection: (_device, reason) => {
        // That a frontend goes is no trouble.
        if (reason.code !== 'VIO_VHOST_DISCONNECTED' && reason.code !== 'VIO_VHOST_CLOSED')
          trouble('a connection ended', reason);
      },
    });
    this.#driver = driver;
  }

  async start(): Promise<void> {
    await checkDirectory(this.#socket);
    await this.#driver.start();
  }

  close(): Promise<void> {
    return this.#driver.close();
  }

  #arrived(device: VhostDevice): void {
    const link = new VhostLink(device, () => this.#listener.wake());
    this.#links.set(device, link);
    this.#listener.linkChanged(link);
  }

  #left(device: VhostDevice): void {
    this.#links.delete(device);
    this.#listener.linkChanged([...this.#links.values()].at(-1));
  }
}

/** A socket is not made through a link: whoever may write to the link's directory would say where. */
async function checkDirectory(socket: string): Promise<void> {
  const directory = dirname(socket);
  const refuse = (what: string, cause?: unknown): never => {
    throw switchError(
      'DIRECTORY',
      `the directory ${directory} ${what}`,
      'make it first, as a directory with no links in its path',
      cause,
    );
  };
  try {
    if (!(await lstat(directory)).isDirectory()) refuse('is none');
    if ((await realpath(directory)) !== directory) refuse('is reached by a link');
  } catch (error) {
    if (VioError.is(error)) throw error;
    refuse('cannot be used', error);
  }
}
