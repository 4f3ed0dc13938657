// Traffic through a port whose backend sends every frame back, for as long as a test wants.
import type { NetPort, Reconnected } from '@vio/net';
import { turns } from '@vio/test-support/plain';

export interface Traffic {
  /** By number of the frame, how often it came back. */
  readonly seen: ReadonlyMap<number, number>;
  /** Frames sent; they are numbered from 0 on. */
  readonly sent: number;
  stop(): Promise<void>;
  /** Sends no more, and receives what still comes back. */
  settle(): Promise<void>;
}

/** Sends numbered frames on queue pair 0, and notes which come back, until told to stop. */
export function traffic(of: NetPort): Traffic {
  const seen = new Map<number, number>();
  const [rx] = of.rx;
  const [tx] = of.tx;
  const { pool } = of;
  const { i32 } = pool.region;
  const out = of.burst();
  const back = of.burst();
  let sent = 0;
  let settling = false;
  const stopping = new AbortController();
  const send = (): void => {
    const count = out.allocate(pool, 16, 60);
    for (let k = 0; k < count; k++) i32[(out.offset[k] >>> 2) + 4] = sent + k;
    const taken = tx.send(out);
    out.release(taken);
    sent += taken;
  };
  const turn = (): void => {
    for (let i = 0; i < 20; i++) {
      if (!settling) send();
      const received = rx.receive(back);
      for (let k = 0; k < received; k++) {
        const number = i32[(back.offset[k] >>> 2) + 4];
        seen.set(number, (seen.get(number) ?? 0) + 1);
      }
      back.release();
    }
  };
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      turn();
      await turns(1);
    }
  })();
  return {
    seen,
    get sent() {
      return sent;
    },
    settle: async () => {
      settling = true;
      // Quiet for a while: nothing of ours is on its way any more.
      for (let seenBefore = -1; seenBefore !== seen.size || tx.queue.outstanding > 0;) {
        seenBefore = seen.size;
        await new Promise((resolve) => setTimeout(resolve, 100));
        tx.reap();
      }
      stopping.abort();
      await loop;
    },
    stop: () => {
      stopping.abort();
      return loop;
    },
  };
}

/** Resolves when the port has its backend back. */
export function isBack(of: NetPort): Promise<Reconnected> {
  return new Promise((resolve) => of.once('reconnect', resolve));
}

/** Buffers of the pool that are somewhere: in the pool, or on a ring. All of them, unless one was lost. */
export function heldBuffers({ pool, rx, tx }: NetPort): number {
  return [...rx, ...tx].reduce((sum, { queue }) => sum + queue.outstanding, pool.free);
}
