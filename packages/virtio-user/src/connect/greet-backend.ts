import { type UnixListener, VioError, type WaitOptions } from '@vio/native';
import { FrontendDevice, VhostUserFrontend } from '@vio/vhost';

/** Connections of somebody who is no backend that are put up with, for one backend. */
const mostStrays = 64;

/**
 * Waits for a backend that connects. Whoever connects and is none (leaves again, says nothing in time, wants a backend itself)
 * changes nothing: the next one is waited for.
 * @param wait for each step: somebody connects, and answers
 * @throws VioError VIO_TIMEOUT, VIO_ABORTED, VIO_VHOST_* of the last one when there are too many of those
 */
export async function greetBackend(
  listener: UnixListener,
  wait: WaitOptions,
  answer: WaitOptions = wait,
): Promise<FrontendDevice> {
  for (let strays = 0; ; strays++) {
    const device = new FrontendDevice(VhostUserFrontend.adopt(await listener.accept(wait)));
    try {
      await device.features(answer);
      return device;
    } catch (error) {
      device.close();
      if (answer.signal?.aborted === true || !VioError.is(error) || strays === mostStrays) throw error;
    }
  }
}
