import type { WaitOptions } from '@vio/native';
import { openPortAs } from '@vio/net/internal';
import { defaultTimeout } from '@vio/native/internal';
import type { VirtioUserOptions } from './config/config.ts';
import type { OpenOptions } from './config/open-options.ts';
import { planPort } from './config/port-plan.ts';
import { connectBackend, reachAgain } from './connect/connect.ts';
import { podDevargs } from './config/pod-contract.ts';
import { VirtioUserPort } from './virtio-user-port.ts';

/**
 * Opens a virtio-user port: reaches the backend, and has `openPort` of @vio/net do the rest. A failure at any step gives
 * everything back.
 * @param devargs `net_virtio_user0,path=/tmp/vhost.sock,queues=2`, or the same as an object. Default: what this container was
 *   given, see `podDevargs`
 * @throws VioError VIO_OPTION_UNKNOWN, VIO_DEVARGS_*, VIO_SOCKET_*, VIO_VHOST_*, VIO_POD_*, VIO_TIMEOUT, VIO_ABORTED,
 *   and those of `openPort`
 */
export async function openVirtioUser(
  devargs: string | VirtioUserOptions = podDevargs(),
  options: OpenOptions = {},
): Promise<VirtioUserPort> {
  const { config, place, port, reconnect } = planPort(devargs, options);
  const wait = { timeout: port.timeout ?? defaultTimeout, signal: port.signal };
  const { device, listener } = await connectBackend(config, wait, place);
  const again =
    reconnect === undefined
      ? undefined
      : {
          ...reconnect,
          connect: (patience: WaitOptions) => reachAgain(config, listener, patience, place),
        };
  try {
    return await openPortAs(
      device,
      { ...port, reconnect: again },
      (parts) => new VirtioUserPort(parts, config, listener),
    );
  } catch (error) {
    listener?.close();
    throw error;
  }
}
