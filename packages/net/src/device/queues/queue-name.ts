/** Which queue of a port. */
export interface QueueName {
  /** Receive or transmit. */
  readonly direction: 'rx' | 'tx';
  /** Queue pair. */
  readonly queue: number;
}

/**
 * @param pairs queue pairs of the port
 * @returns its number: 2n receives, 2n + 1 transmits
 * @throws RangeError when the port has no such queue, or there is no such direction
 */
export function queueNumber({ direction, queue }: QueueName, pairs: number): number {
  if (direction !== 'rx' && direction !== 'tx')
    throw new RangeError(`a queue is named by rx or tx, not ${String(direction)}`);
  if (!Number.isInteger(queue) || queue < 0 || queue >= pairs)
    throw new RangeError(`the port has no queue pair ${queue}`);
  return 2 * queue + (direction === 'rx' ? 0 : 1);
}
