import { type PathChoice, pathLogLines } from '../paths.ts';
import type { ChosenFeatures } from './features/choose-features.ts';
import type { PortMemory } from './memory/port-memory.ts';

/** What a port knows of itself once its features are decided. */
export interface Decided {
  readonly chosen: Pick<ChosenFeatures, 'missing' | 'control'>;
  readonly paths: { readonly rx: PathChoice; readonly tx: PathChoice };
  /** Vectorised paths are preferred. */
  readonly vectorized: boolean;
  /** Number of the port. */
  readonly port: number;
}

/**
 * The lines for `log`: DPDK's on the elected paths, and one for everything that was asked for and is not so: vectorised paths
 * that something speaks against, features the backend does not have, and a control queue whose filters filter nothing.
 */
export function logLines({ chosen, paths, vectorized, port }: Decided): string[] {
  const { missing, control } = chosen;
  return [
    ...pathLogLines(paths, vectorized, port),
    ...(missing.length === 0
      ? []
      : [`virtio: the backend of port ${port} does not offer ${missing.join(', ')}`]),
    ...(control === 'emulated'
      ? [
          `virtio: the control queue of port ${port} is emulated: filters are accepted, and everything arrives`,
        ]
      : []),
  ];
}

/** What `log` is told of a port's memory: nothing where it has the system's own pages. */
export function memoryLines(
  { memory, hugepages }: Pick<PortMemory, 'memory' | 'hugepages'>,
  port: number,
): string[] {
  if (hugepages === undefined) return [];
  const mebibytes = memory.buffer.byteLength / 2 ** 20;
  return [`virtio: port ${port} has ${mebibytes} MiB of memory, in pages of ${hugepages}`];
}
