import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  credentials,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { shortTimeout } from '@vio/native/timeouts';
import { callSwitch } from '@vio/switch/client';
import { type AllocateRequest, type ContainerAllocateResponse, type Device, services } from './protocol.ts';

const endpoint = 'vio.sock';
const kubeletSocket = 'kubelet.sock';
/** Milliseconds for the kubelet to answer. */
const registerTimeout = 10_000;
/** Milliseconds between two looks at the switch and at the sockets. */
const lookInterval = 2000;
/** Milliseconds between two attempts to register. */
const retryInterval = 1000;

/** How the device plugin runs. */
export interface DevicePluginOptions {
  /** Where the kubelet has its sockets. Default /var/lib/kubelet/device-plugins. */
  readonly directory?: string;
  /** As pods ask for it. Default `vio.dev/port`. */
  readonly resource?: string;
  /** How many ports there are on this node. Default 256. */
  readonly ports?: number;
  /** Where each port has a directory for its socket. Default /var/lib/vio/ports. */
  readonly socketDir?: string;
  /** The same in the container. Default /run/vio. */
  readonly containerDir?: string;
  /** Control socket of the switch, whose health is that of the ports. Default /run/vio/switch.sock. */
  readonly control?: string;
  /** Is told what happens. */
  readonly log?: (line: string) => void;
}

/**
 * Gives pods that ask for `vio.dev/port` a directory of their own for sockets, as a mount. Registered with the kubelet, and again
 * whenever that starts anew; ports are healthy while the switch is.
 */
export class DevicePlugin implements AsyncDisposable {
  readonly #options: Required<DevicePluginOptions>;
  readonly #watchers = new Set<ServerWritableStream<object, object>>();
  #server: Server | undefined;
  #directoryWatch: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #healthy = false;
  /** The socket that is served; undefined: none is. */
  #served: string | undefined;
  /** What runs is registered with this kubelet. */
  #registeredWith: string | undefined;
  /** Why it is not, as was said last: a kubelet that is away for hours is told of once. */
  #trouble = '';
  #working: Promise<void> = Promise.resolve();
  /** A look is asked for and has not begun. It is one for all who ask meanwhile: a look may take as long as ten of their reasons. */
  #lookAsked = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(options: DevicePluginOptions) {
    this.#options = {
      directory: '/var/lib/kubelet/device-plugins',
      resource: 'vio.dev/port',
      ports: 256,
      socketDir: '/var/lib/vio/ports',
      containerDir: '/run/vio',
      control: '/run/vio/switch.sock',
      log: () => {},
      ...options,
    };
  }

  /** Begins; the kubelet is looked for until it is there. @throws Error when the directory cannot be watched */
  static async start(options: DevicePluginOptions = {}): Promise<DevicePlugin> {
    const plugin = new DevicePlugin(options);
    // Sockets of other plugins, and its own, come and go there as well.
    plugin.#directoryWatch = watch(plugin.#options.directory, (_, file) => {
      if (file === null || file === kubeletSocket) plugin.#lookSoon();
    });
    plugin.#timer = setInterval(() => plugin.#lookSoon(), lookInterval);
    plugin.#lookSoon();
    await plugin.#working;
    return plugin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#directoryWatch?.close();
    clearInterval(this.#timer);
    await this.#working;
    clearTimeout(this.#retry);
    this.#stopServing();
    await rm(join(this.#options.directory, endpoint), { force: true });
  }

  #lookSoon(): void {
    if (this.#lookAsked) return;
    this.#lookAsked = true;
    this.#working = this.#working.then(() => {
      this.#lookAsked = false;
      return this.#look();
    });
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    await this.#lookAtSwitch();
    const { directory, log } = this.#options;
    const kubelet = await identity(join(directory, kubeletSocket));
    const own = await identity(join(directory, endpoint));
    // A kubelet that starts removes the sockets of all plugins.
    if (kubelet === undefined || (own !== undefined && kubelet === this.#registeredWith)) return;
    try {
      if (own === undefined || own !== this.#served) {
        this.#stopServing();
        await this.#serve();
        this.#served = await identity(join(directory, endpoint));
      }
      await this.#register();
      this.#registeredWith = kubelet;
      this.#trouble = '';
      log(`registered ${this.#options.resource}`);
    } catch (error) {
      const trouble = error instanceof Error ? error.message : String(error);
      if (trouble !== this.#trouble) log(`not registered yet: ${trouble}`);
      this.#trouble = trouble;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#lookSoon(), retryInterval);
    }
  }

  async #lookAtSwitch(): Promise<void> {
    const healthy = await callSwitch(this.#options.control, 'health', {}, { timeout: shortTimeout }).then(
      () => true,
      () => false,
    );
    if (healthy === this.#healthy) return;
    this.#healthy = healthy;
    this.#options.log(healthy ? 'the switch is there' : 'the switch is away: ports are unhealthy');
    for (const watcher of this.#watchers) watcher.write({ devices: this.#devices() });
  }

  #devices(): Device[] {
    const health = this.#healthy ? 'Healthy' : 'Unhealthy';
    return Array.from({ length: this.#options.ports }, (_, i) => ({ ID: `port-${i}`, health }));
  }

  async #serve(): Promise<void> {
    const path = join(this.#options.directory, endpoint);
    await rm(path, { force: true });
    const server = new Server();
    server.addService(services().DevicePlugin.service, {
      GetDevicePluginOptions: (_: unknown, answer: sendUnaryData<object>) =>
        answer(null, { pre_start_required: false, get_preferred_allocation_available: false }),
      ListAndWatch: (stream: ServerWritableStream<object, object>) => {
        this.#watchers.add(stream);
        const forget = (): void => void this.#watchers.delete(stream);
        stream.on('close', forget).on('cancelled', forget).on('error', forget);
        stream.write({ devices: this.#devices() });
      },
      GetPreferredAllocation: (_: unknown, answer: sendUnaryData<object>) =>
        answer(null, { container_responses: [] }),
      Allocate: (call: ServerUnaryCall<AllocateRequest, object>, answer: sendUnaryData<object>) => {
        try {
          answer(null, {
            container_responses: call.request.container_requests.map(({ devices_ids }) =>
              this.#allocate(devices_ids),
            ),
          });
        } catch (error) {
          answer(refusal(error));
        }
      },
      PreStartContainer: (_: unknown, answer: sendUnaryData<object>) => answer(null, {}),
    });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    this.#server = server;
  }

  #stopServing(): void {
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#served = undefined;
  }

  async #register(): Promise<void> {
    const { directory, resource } = this.#options;
    const { Registration } = services();
    const client = new Registration(`unix:${join(directory, kubeletSocket)}`, credentials.createInsecure());
    try {
      const request = { version: 'v1beta1', endpoint, resource_name: resource };
      await new Promise<void>((resolve, reject) => {
        const register = client['Register'] as (
          request: object,
          options: { deadline: number },
          answer: (error: ServiceError | null) => void,
        ) => void;
        register.call(client, request, { deadline: Date.now() + registerTimeout }, (error) =>
          error === null ? resolve() : reject(error),
        );
      });
    } finally {
      client.close();
    }
  }

  /** A directory for each of the ports. @throws Error for a port there is not, or a directory that cannot be made */
  #allocate(ids: readonly string[]): ContainerAllocateResponse {
    const { socketDir, containerDir, ports } = this.#options;
    const mounts = ids.map((id) => {
      const number = /^port-(0|[1-9]\d{0,6})$/.exec(id)?.[1];
      if (number === undefined || Number(number) >= ports)
        throw new RangeError(`there is no port ${JSON.stringify(id)}`);
      const host_path = join(socketDir, id);
      mkdirSync(host_path, { recursive: true, mode: 0o755 });
      const container_path = ids.length === 1 ? containerDir : join(containerDir, id);
      return { host_path, container_path, read_only: false };
    });
    return { mounts, envs: { VIO_PORTS: ids.join(',') } };
  }
}

function refusal(error: unknown): Partial<ServiceError> {
  const code = error instanceof RangeError ? status.INVALID_ARGUMENT : status.INTERNAL;
  return { code, details: error instanceof Error ? error.message : String(error) };
}

/** Which file it is; undefined: none. */
async function identity(path: string): Promise<string | undefined> {
  return lstat(path).then(
    ({ dev, ino, ctimeMs }) => `${dev}:${ino}:${ctimeMs}`,
    () => undefined,
  );
}
