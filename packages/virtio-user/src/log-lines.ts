import { type PathChoice, pathLogLines } from '@vio/net';
import type { Negotiated } from './negotiate.ts';

/** What a port knows of itself once its features are decided. */
export interface Decided {
  readonly negotiated: Pick<Negotiated, 'missing' | 'control'>;
  readonly paths: { readonly rx: PathChoice; readonly tx: PathChoice };
  /** The devarg. */
  readonly vectorized: boolean;
  /** Number of the port. */
  readonly port: number;
}

/**
 * The lines for `log`: DPDK's on the elected paths, and one for everything that was asked for and is not so: vectorised paths
 * that something speaks against, features the backend does not have, and a control queue whose filters filter nothing.
 */
export function logLines({ negotiated, paths, vectorized, port }: Decided): string[] {
  const { missing, control } = negotiated;
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
