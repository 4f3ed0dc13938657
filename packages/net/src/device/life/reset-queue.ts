import { VioError, type WaitOptions } from '@vio/native';
import { type QueueName, queueNumber } from '../queues/queue-name.ts';
import { type PortLife, placedQueue } from './port-life.ts';

/**
 * Takes one ring from the device and gives it a fresh one in its place (RING_RESET; virtio 1.4, sections 2.6.1 and
 * 5.1.2): what a queue needs that broke. The other rings go on.
 */
export async function resetQueue(life: PortLife, name: QueueName, wait: WaitOptions): Promise<void> {
  const { direction } = name;
  const { device, pairs, events, detached } = life;
  const index = queueNumber(name, detached ? 0 : pairs.length);
  const pair = pairs[index >>> 1];
  const { reset } = device;
  if (reset === undefined) throw cannotReset();
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
