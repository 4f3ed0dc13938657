import { type NetPort, type PathChoice, featureNames } from '@vio/net';
import type { DriverQueue, QueueFault } from '@vio/rings';

/**
 * A port described for a program (`data`) and for a person (`text`).
 * @param refused whether the text names the other paths as well, each with what stood in its way
 */
export function portReport(
  port: Pick<NetPort, 'features' | 'paths' | 'rx' | 'tx'> & { readonly missing?: readonly string[] },
  refused: boolean,
): {
  data: object;
  text: string;
} {
  const features = featureNames(port.features);
  const { missing = [] } = port;
  const rings = port.rx.flatMap((rx, pair) => [
    { name: `receiveq${pair}`, ...ringState(rx.queue) },
    { name: `transmitq${pair}`, ...ringState(port.tx[pair].queue) },
  ]);
  const text = [
    `features 0x${port.features.toString(16)}: ${features.join(' ')}`,
    ...(missing.length > 0 ? [`not offered by the backend: ${missing.join(' ')}`] : []),
    ...describePath('Rx', port.paths.rx, refused),
    ...describePath('Tx', port.paths.tx, refused),
    ...rings.map(describeRing),
  ].join('\n');
  return { data: { mask: port.features, features, missing, paths: port.paths, rings }, text };
}

interface RingState {
  readonly format: string;
  /** Descriptors. */
  readonly size: number;
  /** Buffers the device holds. */
  readonly outstanding: number;
  /** As JSON says it. */
  readonly broken: QueueFault | null;
}

function ringState(queue: DriverQueue): RingState {
  const { format, size, outstanding, broken = null } = queue;
  return { format, size, outstanding, broken };
}

function describeRing({ name, format, size, outstanding, broken }: RingState & { name: string }): string {
  const state = broken === null ? `${outstanding} held by the device` : `broken: ${broken.detail}`;
  return `${name}: ${format}, ${size} descriptors, ${state}`;
}

const by = { native: 'in C++', typescript: 'in TypeScript' };

function describePath(direction: string, choice: PathChoice, refused: boolean): string[] {
  return [
    `${direction}: ${choice.path} (${choice.callback}), moved ${by[choice.engine]}: ${choice.reason}`,
    ...(refused ? choice.refused : []).map(
      (refusal) => `${direction} not ${refusal.path}: ${refusal.reason}`,
    ),
  ];
}
