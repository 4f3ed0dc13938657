import type { PortOptions, ReconnectOptions } from '@vio/net';
import type { BackendPlace } from './backend-place.ts';
import { type VirtioUserConfig, type VirtioUserOptions, parseVirtioUserConfig } from './config.ts';
import { type OpenOptions, checkOpenOptions } from './open-options.ts';

/** Everything that devargs and options say, resolved. */
export interface PortPlan {
  readonly config: VirtioUserConfig;
  readonly place: BackendPlace;
  /** What the port is to be like, but for where a backend is found again. */
  readonly port: PortOptions;
  /** How a backend that went is looked for; undefined: it is not. */
  readonly reconnect: ReconnectOptions | undefined;
}

/** @throws VioError VIO_OPTION_UNKNOWN, VIO_OPTION_VALUE, VIO_DEVARGS_*, VIO_DESCRIPTORS, VIO_SOCKET_* */
export function planPort(devargs: string | VirtioUserOptions, options: OpenOptions): PortPlan {
  checkOpenOptions(options);
  const config = parseVirtioUserConfig(devargs, options.descriptors);
  const { netns, descriptors, socket, ...rest } = options;
  const { mac, queues, queue_size: queueSize, packed_vq: packed, in_order: inOrder } = config;
  return {
    config,
    place: { netns, descriptors, socket },
    port: {
      ...rest,
      mac,
      queues,
      queueSize,
      packed,
      inOrder,
      mergeable: config.mrg_rxbuf,
      vectorized: config.vectorized,
      speed: config.speed,
      controlQueue: controlQueue(config, options),
      reconnect: undefined,
    },
    reconnect: reconnection(config, options),
  };
}

/** The option decides. Without: as in DPDK, several queue pairs bring a control queue along; hashes need one. */
function controlQueue({ cq, queues }: VirtioUserConfig, options: OpenOptions): PortOptions['controlQueue'] {
  if (options.controlQueue !== undefined) return options.controlQueue;
  const { rss, hashReport } = options.offloads ?? {};
  return cq || queues > 1 || rss === true || hashReport === true;
}

/** A server looks for another backend unless it is told not to, and listens at once: the backend looks for it. */
function reconnection({ server }: VirtioUserConfig, { reconnect = server }: OpenOptions) {
  if (reconnect === false) return undefined;
  return { ...(server ? { minDelay: 0 } : {}), ...(reconnect === true ? {} : reconnect) };
}
