import { UnixListener, UnixStream, type WaitOptions, dupFd } from '@vio/native';
import { FrontendDevice, type VhostTransport, VhostUserFrontend } from '@vio/vhost';
import type { BackendPlace } from '../config/backend-place.ts';
import type { VirtioUserConfig } from '../config/config.ts';
import { greetBackend } from './greet-backend.ts';

/** A connected backend, and the socket this side listened on if it was the server. */
export interface Connected {
  readonly device: FrontendDevice;
  readonly listener: UnixListener | undefined;
}

/** Reaches the backend in the role the devargs say. */
export async function connectBackend(
  config: VirtioUserConfig,
  wait: WaitOptions,
  place: BackendPlace = {},
): Promise<Connected> {
  if (!config.server) {
    return { device: new FrontendDevice(await reach(config, wait, place)), listener: undefined };
  }
  const listener = UnixListener.listen(config.path, { backlog: 1, ...place.socket });
  try {
    return { device: await greetBackend(listener, wait), listener };
  } catch (error) {
    listener.close();
    throw error;
  }
}

/** Reaches the backend of a port that has lost it; as the server, waits for it as long as it takes. */
export async function reachAgain(
  config: VirtioUserConfig,
  listener: UnixListener | undefined,
  wait: WaitOptions,
  place: BackendPlace,
): Promise<FrontendDevice> {
  if (listener === undefined) return new FrontendDevice(await reach(config, wait, place));
  return greetBackend(listener, { signal: wait.signal }, wait);
}

async function reach(
  config: VirtioUserConfig,
  wait: WaitOptions,
  { netns, descriptors }: BackendPlace,
): Promise<VhostTransport> {
  const { path, iface, queues, mac } = config;
  // What not every port has is loaded on demand: the others start sooner without.
  if (config.backend === 'vhost-kernel') {
    const open = { taps: descriptors?.tap, devices: descriptors?.vhostNet };
    const { VhostNetTransport } = await import('@vio/vhost-kernel/internal');
    return VhostNetTransport.open({ path, iface, queues, mac, netns, ...open });
  }
  if (config.backend === 'vhost-vdpa') {
    const { VhostVdpaTransport } = await import('@vio/vhost-kernel/internal');
    return VhostVdpaTransport.open({ path, mac, device: descriptors?.vdpa }, wait);
  }
  if (descriptors?.socket === undefined) return VhostUserFrontend.connect(path, wait);
  return VhostUserFrontend.adopt(UnixStream.adopt(dupFd(descriptors.socket)));
}
