import * as z from 'zod/mini';

/**
 * What the value of each devarg must be, once it was read. A schema is made when its key is given: to make all of them takes longer than
 * anything else that is done with devargs. It imports nothing of ours, and is loaded when it is called (`scripts/bundle/later.mjs`).
 */
export function devargSchemas(isMac: (value: string) => boolean, isSpeed: (value: number) => boolean) {
  return {
    path: () => z.string().check(z.minLength(1)),
    mac: () => z.string().check(z.refine(isMac)),
    cq: z.boolean,
    queue_size: z.int,
    queues: () => z.int().check(z.minimum(1), z.maximum(128)),
    iface: () => z.string().check(z.minLength(1), z.maxLength(15)),
    server: z.boolean,
    mrg_rxbuf: z.boolean,
    in_order: z.boolean,
    packed_vq: z.boolean,
    speed: () => z.int().check(z.refine(isSpeed)),
    vectorized: z.boolean,
  };
}
