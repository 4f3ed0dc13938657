import { type ListenOptions, UnixListener, UnixStream, type WaitOptions, dupFd } from '@vio/native';
import { type VhostTransport, VhostUserFrontend } from '@vio/vhost';
import type { VirtioUserConfig } from '../config/config.ts';
import type { BackendDescriptors } from '../config/descriptors.ts';

/** A connected backend, and the socket this side listened on if it was the server. */
export interface Connected {
  readonly transport: VhostTransport;
  readonly listener: UnixListener | null;
}

/** What devargs have no word for. */
export interface BackendPlace {
  /** Path of the network namespace of a tap. */
  readonly netns?: string | undefined;
  /** What is open already. */
  readonly descriptors?: BackendDescriptors | undefined;
  /** Of the socket a server listens on. */
  readonly socket?: SocketOptions | undefined;
}

/**
 * Who may connect to a socket: permission bits, owner and group of its file; default: what the umask leaves, this user's. And
 * how many may wait while another backend is served (`backlog`, default 1).
 */
export type SocketOptions = Pick<ListenOptions, 'mode' | 'uid' | 'gid' | 'backlog'>;

/** Reaches the backend in the role the devargs say. */
export async function connectBackend(
  config: VirtioUserConfig,
  wait: WaitOptions,
  { netns, descriptors, socket }: BackendPlace = {},
): Promise<Connected> {
  if (config.backend === 'vhost-kernel') {
    const { path, iface, queues, mac } = config;
    const open = { taps: descriptors?.tap, devices: descriptors?.vhostNet };
    // Loaded on demand: most ports have another backend, and start sooner without.
    const { VhostNetTransport } = await import('@vio/vhost-kernel');
    return {
      transport: VhostNetTransport.open({ path, iface, queues, mac, netns, ...open }),
      listener: null,
    };
  }
  if (config.backend === 'vhost-vdpa') {
    const { path, mac } = config;
    const { VhostVdpaTransport } = await import('@vio/vhost-kernel');
    const transport = await VhostVdpaTransport.open({ path, mac, device: descriptors?.vdpa }, wait);
    return { transport, listener: null };
  }
  if (descriptors?.socket !== undefined) {
    const stream = UnixStream.adopt(dupFd(descriptors.socket));
    return { transport: VhostUserFrontend.fromStream(stream), listener: null };
  }
  if (!config.server) {
    return { transport: await VhostUserFrontend.connect(config.path, wait), listener: null };
  }
  const listener = UnixListener.listen(config.path, { backlog: 1, ...socket });
  try {
    return { transport: VhostUserFrontend.fromStream(await listener.accept(wait)), listener };
  } catch (error) {
    listener.close();
    throw error;
  }
}

/** Reaches the backend of a port that has lost it; as the server, waits for it as long as it takes. */
export async function reachAgain(
  config: VirtioUserConfig,
  listener: UnixListener | null,
  wait: WaitOptions,
  place: BackendPlace,
): Promise<VhostTransport> {
  if (listener === null) return (await connectBackend(config, wait, place)).transport;
  const { signal } = wait;
  return VhostUserFrontend.fromStream(await listener.accept(signal === undefined ? {} : { signal }));
}
