import { VioError, type WaitOptions } from '@vio/native';
import { VIRTIO_F_RING_RESET } from '@vio/rings';
import type { StartPlan } from './start.ts';

/** Which queue of a port. */
export interface QueueName {
  /** Receive or transmit queue. */
  readonly direction: 'rx' | 'tx';
  /** Queue pair. */
  readonly queue: number;
}

/**
 * Takes one ring from the backend and gives it a fresh one in its place (RING_RESET; virtio 1.4, sections 2.6.1 and
 * 5.1.2): what a queue needs that broke. The other rings go on. Over vhost-user a ring is reset by stopping it.
 * @returns the plan with the new ring
 */
export async function resetQueue(plan: StartPlan, name: QueueName, wait: WaitOptions): Promise<StartPlan> {
  const { direction, queue } = name;
  const { transport, events, pairs } = plan;
  const pair = pairs.at(queue);
  if (pair === undefined || queue < 0) throw new RangeError(`the port has no queue pair ${queue}`);
  if ((plan.features & VIRTIO_F_RING_RESET) === 0n) throw cannotReset();
  const index = 2 * queue + (direction === 'rx' ? 0 : 1);
  if (direction === 'tx') pair.tx.pause();
  await transport.setVringEnable(index, false, wait);
  await transport.getVringBase(index, wait);
  pair.restart(direction);
  const ring = pair[direction].queue;
  events.kick[index].drain();
  await transport.setVringCall(index, events.call[index].fd, wait);
  await transport.setVringNum(index, ring.size, wait);
  await transport.setVringBase(index, ring.base(), wait);
  await transport.setVringAddr(index, ring.addresses, wait);
  await transport.setVringKick(index, events.kick[index].fd, wait);
  await transport.setVringEnable(index, true, wait);
  if (direction === 'rx') pair.rx.fill();
  return { ...plan, rings: plan.rings.with(index, ring) };
}

function cannotReset(): VioError {
  return new VioError('the backend cannot reset a single queue', {
    code: 'VIO_VHOST_UNSUPPORTED',
    remedy: 'use a backend that offers RING_RESET, or close the port and open it again',
  });
}
