import type { VioError } from '@vio/native';
import type { OptionNames } from '@vio/native/internal';
import type { ControlCommand } from '@vio/net';
import type { QueueFault } from '@vio/rings';
import type { VhostDevice } from '../device/vhost-device.ts';

/**
 * The events of DPDK's rte_vhost_device_ops, and what this library can say besides. One that throws ends the connection of its
 * device, and destroyConnection is told VIO_VHOST_INTERNAL, with what was thrown as the cause. What cannot be told so (it was
 * thrown while the connection ended, belongs to no connection, or nobody has given destroyConnection) is an
 * `uncaughtException` on a later tick.
 */
export interface VhostCallbacks {
  /** A device has become ready, with its first queue pair: its rings may be used from now on. */
  newDevice?(device: VhostDevice): void;
  /** A device stops: its rings may not be used any more when this returns. */
  destroyDevice?(device: VhostDevice): void;
  /** A ring runs and is enabled from now on, or not any more. For the first rings this comes before newDevice. */
  vringStateChanged?(device: VhostDevice, queue: number, enabled: boolean): void;
  /** The driver has accepted these features. */
  featuresChanged?(device: VhostDevice, features: bigint): void;
  /** A frontend has connected; nothing is negotiated yet. */
  newConnection?(device: VhostDevice): void;
  /** The connection is over, and why. */
  destroyConnection?(device: VhostDevice, reason: VioError): void;
  /** A request was refused, and the frontend was told so (REPLY_ACK); the connection goes on. */
  refused?(device: VhostDevice, reason: VioError): void;
  /**
   * The driver gives a command on its control queue, which the device can carry out; what it asks for is in
   * `device.settings` when this returns. False refuses it.
   */
  command?(device: VhostDevice, command: ControlCommand): boolean | void;
  /**
   * The frontend asks that the network be told where an address is now, as after a migration (SEND_RARP): the next burst of
   * `dequeueBurst` is the packet that does.
   */
  announced?(device: VhostDevice, mac: string): void;
  /** A ring stopped because its driver wrote nonsense; the others go on. */
  broken?(device: VhostDevice, queue: number, fault: QueueFault): void;
  /**
   * The frontend `said` (undefined: not at all) that a packed ring goes on where it cannot, as QEMU does after a backend was killed,
   * and user-mode Linux with a fresh ring. It goes on at `base`, which the ring itself says; one that does not is `broken` with
   * BASE_UNKNOWN.
   */
  baseCorrected?(device: VhostDevice, queue: number, said: number | undefined, base: number): void;
  /** The driver was called (interrupted). */
  guestNotified?(device: VhostDevice): void;
  /**
   * The driver is to be called for a ring. True: the application does so itself, with `device.notifyGuest(queue)`, from where
   * the system call does not hold packets up.
   */
  guestNotify?(device: VhostDevice, queue: number): boolean | void;
  /** A frontend was not let in: there are too many (VIO_VHOST_CONNECTIONS), or no descriptor is left (VIO_SYS_EMFILE). */
  connectionRefused?(reason: VioError): void;
  /**
   * A request of this frontend waits, because this process has no room for the descriptors it brings. Nothing is lost: of the
   * connections whose devices do not run, the newest ends (VIO_VHOST_DESCRIPTORS), until there is room.
   */
  exhausted?(device: VhostDevice, reason: VioError): void;
}

export const callbackNames: OptionNames<VhostCallbacks> = {
  newDevice: true,
  destroyDevice: true,
  vringStateChanged: true,
  featuresChanged: true,
  newConnection: true,
  destroyConnection: true,
  refused: true,
  command: true,
  announced: true,
  broken: true,
  baseCorrected: true,
  guestNotified: true,
  guestNotify: true,
  connectionRefused: true,
  exhausted: true,
};
