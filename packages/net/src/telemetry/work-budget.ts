/** Of the thread's time, what everybody who asks may cost together. */
const usualShare = 0.01;
/** Milliseconds of work that may be saved up, so that somebody who asks now and then does not wait. */
const most = 20;
/** Milliseconds that may be owed. */
const mostOwed = 10;
/** Milliseconds that are saved up again before work that had to end goes on. */
const slice = 0.2;
/** Milliseconds, behind which is looked again. */
const longestRest = 1000;
/** Milliseconds that every piece of work costs besides what is seen of it: reads, wakings, garbage. */
const besides = 0.03;
/** Milliseconds that it costs at most to find out what a piece of work cost: in more, somebody else had the CPU. */
const mostFound = 0.2;
/** Milliseconds that somebody who seldom asks is ahead of those who always do. */
const credit = 2;

interface Piece {
  readonly account: BudgetAccount;
  readonly run: () => void;
  /** Milliseconds, besides what it takes. */
  readonly extra: number;
}

/**
 * Keeps those who ask from taking the thread away from those who move packets: all of them together have a share of the time, and
 * whoever has cost least so far is next. The event loop goes on behind each piece of work; while the share is used up nothing is
 * done at all, and one timer waits.
 */
export class WorkBudget {
  readonly #share: number;
  readonly #waiting = new Set<Piece>();
  #saved = most;
  #at = performance.now();
  /** What whoever had paid most had paid when it was his turn: nobody saves up more than a credit by not asking. */
  #reached = 0;
  /** Work is being done, or somebody will go on with it. */
  #busy = false;

  /** @param share of the thread's time; default: a hundredth */
  constructor(share = usualShare) {
    this.#share = share;
  }

  /** The one of this thread, whatever it is that is looked at. */
  static get ofThread(): WorkBudget {
    return (ofThread ??= new WorkBudget());
  }

  /** For one who asks. @param weight of several who wait by one account: as many turns as so many others have */
  account(weight = 1): BudgetAccount {
    return new BudgetAccount((piece) => this.#add(piece), weight);
  }

  #add(piece: Piece): void {
    const { account } = piece;
    account.paid = Math.max(account.paid, this.#reached - credit);
    this.#waiting.add(piece);
    if (!this.#busy) this.#work();
  }

  /** One piece, if there is one and time for it. */
  #work(): void {
    const piece = this.#next();
    this.#busy = piece !== undefined;
    if (piece === undefined) return;
    const begin = performance.now();
    this.#saved = Math.min(most, this.#saved + this.#share * (begin - this.#at));
    this.#at = begin;
    if (this.#saved <= 0) {
      const wait = Math.min(longestRest, Math.ceil((slice - this.#saved) / this.#share));
      setTimeout(() => this.#work(), wait).unref();
      return;
    }
    this.#waiting.delete(piece);
    this.#reached = Math.max(this.#reached, piece.account.paid);
    const cost = costOf(piece.run, begin) + besides + piece.extra;
    piece.account.paid += cost / piece.account.weight;
    this.#saved = Math.max(-mostOwed, this.#saved - cost);
    setImmediate(() => this.#work());
  }

  #next(): Piece | undefined {
    let next: Piece | undefined;
    for (const piece of this.#waiting) {
      if (next === undefined || piece.account.paid < next.account.paid) next = piece;
    }
    return next;
  }
}

let ofThread: WorkBudget | undefined;

/**
 * Runs it. @param begin when its turn came @returns milliseconds: of the work no more than went by, and no more than the process ran for, as
 * somebody else may have had the CPU, or other threads run; and what it cost to find that out, which may be more than the work
 */
function costOf(run: () => void, begin: number): number {
  const cpu = process.cpuUsage();
  const ready = performance.now();
  run();
  const done = performance.now();
  const { user, system } = process.cpuUsage(cpu);
  const found = Math.min(mostFound, performance.now() - done + (ready - begin));
  return Math.min(done - ready, (user + system) / 1000) + found;
}

/** What one who asks has cost. */
export class BudgetAccount {
  /** Milliseconds, for each of its weight. */
  paid = 0;
  readonly weight: number;
  readonly #add: (piece: Piece) => void;

  constructor(add: (piece: Piece) => void, weight: number) {
    this.#add = add;
    this.weight = weight;
  }

  /**
   * Does a piece of work, when it is its turn. What it waits for costs nothing.
   * @param extra milliseconds that it costs and are not seen
   * @returns what it gives
   */
  spend<T>(work: () => T | Promise<T>, extra = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      this.#add({ account: this, run, extra });
    });
  }
}
