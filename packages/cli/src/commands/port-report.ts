import { type NetPort, type PathChoice, featureNames } from '@vio/net';

/** A port described for a program (`data`) and for a person (`text`). */
export function portReport(port: NetPort): { data: object; text: string } {
  const features = featureNames(port.features);
  const rings = port.rx.flatMap((rx, pair) => [
    { name: `receiveq${pair}`, ...ringState(rx.queue) },
    { name: `transmitq${pair}`, ...ringState(port.tx[pair].queue) },
  ]);
  const text = [
    `features 0x${port.features.toString(16)}: ${features.join(' ')}`,
    ...describePath('Rx', port.paths.rx),
    ...describePath('Tx', port.paths.tx),
    ...rings.map((r) => `${r.name}: ${r.format}, ${r.size} descriptors, ${r.outstanding} held by the device`),
  ].join('\n');
  return { data: { mask: port.features, features, paths: port.paths, rings }, text };
}

function ringState(queue: NetPort['rx'][number]['queue']): {
  format: string;
  size: number;
  outstanding: number;
  broken: object | null;
} {
  return { format: queue.format, size: queue.size, outstanding: queue.outstanding, broken: queue.broken };
}

function describePath(direction: string, choice: PathChoice): string[] {
  return [
    `${direction}: ${choice.path} (${choice.callback}): ${choice.reason}`,
    ...choice.refused.map((refusal) => `${direction} not ${refusal.path}: ${refusal.reason}`),
  ];
}
