import type { DevicePort } from '@vio/net';

const border = '*********************';

/** `show rxq info` or `show txq info`; undefined: the port has no such queue. */
export function queueInfo(
  port: DevicePort,
  number: number,
  direction: 'rx' | 'tx',
  queue: number,
): string | undefined {
  const own = direction === 'rx' ? port.rx[queue]?.queue : port.tx[queue]?.queue;
  const size = own?.size ?? sizeOf(port.handles[queue]?.rings, direction);
  if (size === undefined) return undefined;
  const name = direction.toUpperCase();
  const { path, callback } = port.paths[direction];
  const several = direction === 'rx' && path.includes('mergeable');
  return [
    '',
    `${border} Infos for port ${String(number).padEnd(2)}, ${name} queue ${String(queue).padEnd(2)} ${border}`,
    ...(direction === 'rx' ? ['RX drop packets: on'] : []),
    ...(direction === 'rx' ? [`RX scattered packets: ${several ? 'on' : 'off'}`] : []),
    `${direction === 'rx' ? 'Rx' : 'Tx'} queue state: ${port.isQueueStarted({ direction, queue }) ? 'started' : 'stopped'}`,
    `Number of ${name}Ds: ${size}`,
    `Burst mode: ${path} (${callback})`,
  ].join('\n');
}

/** Of a queue pair that another thread has. */
function sizeOf(
  rings: { readonly size: number; readonly txSize?: number | undefined } | undefined,
  direction: 'rx' | 'tx',
): number | undefined {
  return direction === 'tx' ? (rings?.txSize ?? rings?.size) : rings?.size;
}
