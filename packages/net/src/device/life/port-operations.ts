import { VioError, type WaitOptions } from '@vio/native';
import { VIRTIO_NET_F_MRG_RXBUF } from '../../feature-bits.ts';
import { checkOwnMtu } from '../../frames/frame-options.ts';
import { ethernetBytes } from '../../packet-headers.ts';
import { stoppedError } from '../../port/port-errors.ts';
import { type QueueName, queueNumber } from '../queues/queue-name.ts';
import type { PortLife } from './port-life.ts';

/** What is done to VLAN tags and to frames with them. What is left out stays as it is. */
export interface VlanOffload {
  /** Tags (802.1Q) of received frames come off, into `burst.vlan`. */
  readonly strip?: boolean;
  /** Tags in `burst.vlan` are put into frames that are sent. */
  readonly insert?: boolean;
  /** The device receives only the VLANs of `control.addVlan` (CTRL_VLAN). */
  readonly filter?: boolean;
}

/**
 * Stops all queues, as `rte_eth_dev_stop` of DPDK's virtio PMD does: the device and its rings stay, nothing is taken off them
 * and nothing is put on. What is on a transmit ring goes out.
 */
export function stopQueues({ switches }: PortLife): void {
  switches.turnPort(false);
}

/**
 * Starts all queues but those that are deferred, whatever they were before. What the device delivered meanwhile is dropped by each
 * receive queue before its first burst. Whoever sleeps is woken.
 */
export function startQueues(life: PortLife): void {
  const { switches, pairs, deferred } = life;
  for (let queue = 0; queue < 2 * pairs.length; queue++) switches.turnQueue(queue, !deferred.includes(queue));
  switches.turnPort(true);
  for (let pair = 0; pair < pairs.length; pair++) wake(life, 2 * pair);
}

/** Stops or starts one queue. @throws VioError VIO_PORT_STOPPED; RangeError when the port has no such queue */
export function turnQueue(life: PortLife, name: QueueName, on: boolean): void {
  const { switches, pairs } = life;
  const queue = queueNumber(name, pairs.length);
  if (switches.stopped) throw stoppedError();
  switches.turnQueue(queue, on);
  if (on) wake(life, queue);
}

/** A receive queue that was started: it drops what is old and gives the device buffers, in the thread to which it belongs. */
function wake({ pairs, detached, events, switches }: PortLife, queue: number): void {
  if (queue % 2 !== 0 || switches.isStopped(queue)) return;
  if (!detached) pairs[queue >>> 1].rx.fill();
  events.call[queue].signal();
}

/**
 * Changes the MTU: what queues drop and count as oversize from now on, and what the device is told, if that was agreed upon.
 * @param deviceMtu as the device says
 * @throws VioError VIO_MTU, and what the device answers
 */
export async function setMtu(
  life: PortLife,
  mtu: number,
  deviceMtu: number | undefined,
  wait: WaitOptions,
): Promise<void> {
  const { device, switches, dataRoom, accepted } = life;
  checkOwnMtu(mtu, deviceMtu);
  if ((accepted & VIRTIO_NET_F_MRG_RXBUF) === 0n && mtu + ethernetBytes > dataRoom) {
    throw new VioError(`frames of an MTU of ${mtu} bytes do not fit one buffer of ${dataRoom}`, {
      code: 'VIO_MTU',
      remedy: `choose ${dataRoom - ethernetBytes} or less, or use mergeable buffers (MRG_RXBUF)`,
    });
  }
  if (life.tellsMtu && device.down === undefined) await device.mtu?.set(mtu, wait);
  if (life.tellsMtu) life.mtu = mtu;
  switches.rules = { ...switches.rules, mtu };
}

/** Changes what is done to VLAN tags. @throws VioError VIO_CONTROL_* of the filter; nothing else has changed then */
export async function setVlanOffload(
  { switches, control }: PortLife,
  { strip, insert, filter }: VlanOffload,
  wait: WaitOptions,
): Promise<void> {
  if (filter !== undefined) await control.commands.setVlanFilter(filter, wait);
  const { vlanStrip = false, vlanInsert = false, ...rules } = switches.rules;
  switches.rules = { ...rules, vlanStrip: strip ?? vlanStrip, vlanInsert: insert ?? vlanInsert };
}
