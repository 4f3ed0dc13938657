import { shortTimeout } from '@vio/native/internal';
import { VIRTIO_NET_F_GUEST_ANNOUNCE } from '../../feature-bits.ts';
import { rarpFrame } from '../../frames/rarp.ts';
import type { NetPort } from '../../port/net-port.ts';

/**
 * Tells the network where the port is now, because its device asks for that, and tells the device that it is done
 * (virtio 1.4, section 5.1.6.5.4).
 * @returns false when it did not go out in time: the link is down, or the ring is full of what nobody takes
 */
export async function announce(port: NetPort): Promise<boolean> {
  try {
    if (port.tx.length > 0) await port.send(rarpFrame(port.mac), { timeout: shortTimeout });
    if ((port.features & VIRTIO_NET_F_GUEST_ANNOUNCE) !== 0n)
      await port.control.acknowledgeAnnounce({ timeout: shortTimeout });
    return true;
  } catch {
    return false;
  }
}
