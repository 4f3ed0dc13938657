import { mappingsNamed, openFds } from './process-state.ts';
import { until } from './until.ts';

/** What this process holds: open descriptors, and mappings of memory that it shares. */
export interface Holdings {
  readonly fds: number;
  readonly mappings: number;
}

export function holdings(): Holdings {
  return { fds: openFds(), mappings: mappingsNamed('memfd:vio-') };
}

/** What is held once it is as little as before, or does not get less. */
export async function holdingsLike(before: Holdings): Promise<Holdings> {
  await until(() => JSON.stringify(holdings()) === JSON.stringify(before));
  return holdings();
}
