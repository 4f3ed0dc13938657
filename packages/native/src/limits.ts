import { addon } from './addon.ts';
import { attempt } from './system-error.ts';

/** A resource limit of this process in bytes (memlock) or descriptors (nofile); Infinity when there is none. */
export function resourceLimit(name: 'memlock' | 'nofile'): { soft: number; hard: number } {
  const [soft, hard] = attempt(() => addon.resourceLimit(name), `read the ${name} limit`);
  return { soft, hard };
}
