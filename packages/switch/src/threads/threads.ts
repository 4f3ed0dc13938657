import { defaultTimeout, shortTimeout } from '@vio/native/internal';
import { droppedFull, portCounterNames, txBytes, txFrames } from '../fabric/port-counters.ts';
import { LocalThread } from './local-thread.ts';
import type { SwitchThread, ThreadOrder, ThreadsListener } from './switch-thread.ts';
import { TrunkMemory } from './trunk-memory.ts';
import { within } from './within.ts';

/** What has gone from one thread of a switch to another. */
export interface TrunkView {
  /** Number of the thread it goes to. */
  readonly to: number;
  /** Frames that were sent there. */
  readonly frames: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Frames that there was no room for. */
  readonly dropped: number;
  /** Buffers of frames that are on their way at this moment. */
  readonly waiting: number;
}

/** From one thread to another. */
interface Way {
  readonly memory: TrunkMemory;
  /** What the first of them counts of both directions, as of a port. */
  readonly counters: SharedArrayBuffer;
}

/** The threads of a switch: the one that it was started in, and others, each with a way to every other one. */
export class Threads {
  readonly count: number;
  readonly #all: SwitchThread[] = [];
  readonly #ways: Way[][] = [];

  private constructor(count: number) {
    this.count = count;
  }

  /** @param count of all, this one included @throws VioError VIO_SWITCH_THREAD, and of memory: nothing is left behind */
  static async start(count: number, listener: ThreadsListener): Promise<Threads> {
    const threads = new Threads(count);
    try {
      threads.#layWays();
      const trunks = threads.#trunksOf(0);
      threads.#all.push(
        new LocalThread(
          0,
          trunks.map(({ counters, ...trunk }) => ({ ...trunk, counters: new Float64Array(counters) })),
          listener,
        ),
      );
      if (count > 1) await threads.#startOthers(listener);
      return threads;
    } catch (error) {
      await threads.end();
      throw error;
    }
  }

  /** One of them, by number. */
  of(number: number): SwitchThread {
    return this.#all[number];
  }

  /** Gives all of them an order that cannot fail. Resolves when all have carried it out. */
  async tell(order: ThreadOrder, except?: SwitchThread): Promise<void> {
    const told = this.#all.filter((thread) => thread !== except);
    // A thread that has failed is told of elsewhere.
    await Promise.allSettled(told.map((thread) => thread.do(order)));
  }

  /** The numbers of those that have no turn within that time, one that has failed included. @param timeout milliseconds */
  async standing(timeout = shortTimeout): Promise<number[]> {
    const standing = new Set(this.#all.keys());
    const turns = this.#all.map((thread, number) =>
      thread.do({ kind: 'ping' }).then(
        () => standing.delete(number),
        () => {},
      ),
    );
    await within(Promise.all(turns), timeout);
    return [...standing];
  }

  /** From now on one that has no turn for five seconds is given up, so that nothing waits for it for ever. @returns what ends that */
  insist(): () => void {
    const look = async (): Promise<void> => {
      for (const number of await this.standing(defaultTimeout)) this.#all[number].abandon();
    };
    void look();
    const timer = setInterval(() => void look(), shortTimeout);
    return () => clearInterval(timer);
  }

  /** Holds frames, and passes on those that are on their way between threads. */
  async quiesce(): Promise<void> {
    await this.tell({ kind: 'hold' });
    // What comes out of a trunk may be copied to a mirror of another thread, and no further.
    for (let hop = 0; hop < 2 && this.count > 1; hop++) await this.tell({ kind: 'drain' });
  }

  /** What has gone from one of them to each other one. */
  trunksOf(number: number): TrunkView[] {
    return this.#trunksOf(number).map(({ thread, counters, to }) => {
      const counted = new Float64Array(counters);
      return {
        to: thread,
        frames: counted[txFrames],
        bytes: counted[txBytes],
        dropped: counted[droppedFull],
        waiting: to.waiting,
      };
    });
  }

  /** Each of them: what it polls, and what has gone to the others. */
  views(): { readonly number: number; readonly awake: number; readonly trunks: readonly TrunkView[] }[] {
    return this.#all.map(({ awake }, number) => ({ number, awake, trunks: this.trunksOf(number) }));
  }

  /** @returns false: one of them waits in the kernel, and cannot be ended */
  async end(): Promise<boolean> {
    const ended = await Promise.all(this.#all.map((thread) => thread.end()));
    for (const { memory } of this.#ways.flat()) memory[Symbol.dispose]();
    return ended.every(Boolean);
  }

  #layWays(): void {
    for (let from = 0; from < this.count; from++) {
      this.#ways[from] = [];
      for (let to = 0; to < this.count; to++) {
        if (from === to) continue;
        this.#ways[from][to] = {
          memory: TrunkMemory.create(),
          counters: new SharedArrayBuffer(8 * portCounterNames.length),
        };
      }
    }
  }

  #trunksOf(number: number) {
    return this.#ways[number].flatMap(({ memory, counters }, other) => ({
      thread: other,
      from: this.#ways[other][number].memory,
      to: memory,
      counters,
    }));
  }

  async #startOthers(listener: ThreadsListener): Promise<void> {
    // Loaded by those alone who have some.
    const { WorkerThread } = await import('./worker-thread.ts');
    for (let number = 1; number < this.count; number++) {
      const trunks = this.#trunksOf(number).map(({ thread, from, to, counters }) => ({
        thread,
        from: from.handle,
        to: to.handle,
        counters,
      }));
      this.#all.push(await WorkerThread.start(number, { trunks }, listener));
    }
  }
}
