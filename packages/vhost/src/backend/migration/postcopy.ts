import type { VioError } from '@vio/native';
import { LatePages } from '@vio/native/internal';
import { vhostError } from '../errors/vhost-error.ts';

/** Milliseconds between two looks at whether a page was given up. */
const lookEvery = 50;

/** A guest whose memory follows it, page by page (postcopy): what it is until its frontend says that all of it is here. */
export class Postcopy implements Disposable {
  readonly #timeout: number;
  readonly #giveUp: (reason: VioError) => void;
  #pages: LatePages | undefined;
  #listening = false;
  #looks: NodeJS.Timeout | undefined;
  /** The number of the request that was answered with addresses: its frontend says yes to those, or not at all. */
  #answered: number | undefined;

  /**
   * @param timeout milliseconds that a page may take
   * @param giveUp called once, when one did not come
   */
  constructor(timeout: number, giveUp: (reason: VioError) => void) {
    this.#timeout = timeout;
    this.#giveUp = giveUp;
  }

  /** POSTCOPY_ADVISE, which comes once per queue pair. @throws VioError VIO_USERFAULTFD */
  advise(): LatePages {
    this.#pages ??= LatePages.open(this.#timeout);
    return this.#pages;
  }

  /** POSTCOPY_LISTEN: memory that is announced from now on comes late. @throws VioError VIO_VHOST_STATE */
  listen(): void {
    if (this.#pages === undefined) throw vhostError('STATE', 'POSTCOPY_LISTEN came without POSTCOPY_ADVISE');
    this.#listening = true;
  }

  /** By what the pages of memory that is announced now come; undefined: all of them are there. */
  get pages(): LatePages | undefined {
    return this.#listening ? this.#pages : undefined;
  }

  /** Memory came, and the frontend is told where it is in this process. @param request the number of what announced it */
  answered(request: number): void {
    this.#answered = request;
    this.#looks ??= setInterval(() => this.#look(), lookEvery).unref();
  }

  /** True once for the frontend's word that it knows the addresses: no request, but what looks like one. */
  isAgreement(request: number, bytes: number): boolean {
    return this.#answered === request && bytes === 8;
  }

  /** The agreement came. */
  agreed(): void {
    this.#answered = undefined;
  }

  /** POSTCOPY_END: all pages are here. Idempotent. */
  end(): void {
    clearInterval(this.#looks);
    this.#looks = undefined;
    this.#listening = false;
    this.#answered = undefined;
    this.#pages?.close();
    this.#pages = undefined;
  }

  [Symbol.dispose](): void {
    this.end();
  }

  #look(): void {
    if (this.#pages?.expired !== true) return;
    clearInterval(this.#looks);
    this.#giveUp(vhostError('POSTCOPY', `a page of the guest did not come within ${this.#timeout} ms`));
  }
}
