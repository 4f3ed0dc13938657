import { VioError, type WaitOptions } from '@vio/native';
import type { QueueName } from '../queues/queue-name.ts';
import { type PortLife, placedQueue } from './port-life.ts';

/**
 * Takes one ring from the device and gives it a fresh one in its place (RING_RESET; virtio 1.4, sections 2.6.1 and
 * 5.1.2): what a queue needs that broke. The other rings go on.
 */
export async function resetQueue(life: PortLife, name: QueueName, wait: WaitOptions): Promise<void> {
  const { direction, queue } = name;
  const { device, pairs, events, detached } = life;
  if (!(queue in pairs) || detached) throw new RangeError(`the port has no queue pair ${queue}`);
  const pair = pairs[queue];
  const { reset } = device;
  if (reset === undefined) throw cannotReset();
  const index = 2 * queue + (direction === 'rx' ? 0 : 1);
  if (direction === 'tx') pair.tx.pause();
  await reset.take(index, wait);
  // The device that came in the meantime has been given fresh rings.
  if (device !== life.device) return;
  pair.restart(direction);
  events.kick[index].drain();
  await reset.give(placedQueue(life, index), wait);
  if (direction === 'rx') pair.rx.fill();
}

function cannotReset(): VioError {
  return new VioError('the device cannot reset a single queue (RING_RESET)', {
    code: 'VIO_FEATURE_MISSING',
    remedy: 'use a device that offers RING_RESET, or close the port and open it again',
  });
}
