import { type NetPort, VIRTIO_NET_F_GUEST_ANNOUNCE, rarpFrame } from '@vio/net';

/** Milliseconds for the frame and its acknowledgement. */
const timeout = 1000;

/**
 * Tells the network where the port is now, because its device asks for that, and tells the device that it is done
 * (virtio 1.4, section 5.1.6.5.4). What does not go out in time the device asks for again.
 */
export async function announce(port: NetPort): Promise<void> {
  try {
    if (port.tx.length > 0) await port.send(rarpFrame(port.mac), { timeout });
    if ((port.features & VIRTIO_NET_F_GUEST_ANNOUNCE) !== 0n)
      await port.control.acknowledgeAnnounce({ timeout });
  } catch {
    // The link is down, or the ring is full of what nobody takes: an announcement would not arrive either.
  }
}
