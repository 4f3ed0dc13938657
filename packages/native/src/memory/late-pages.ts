import { addon } from '../addon.ts';
import { attempt } from '../system-error.ts';
import { longestTimer } from '../timeouts.ts';
import type { Area } from './area.ts';

/**
 * Memory whose pages come when they are touched, as whoever sends them finds time (userfaultfd): a thread that touches one waits
 * until it is there. One that has waited too long goes on: all mappings that were added read as zeroes then, which are nobody
 * else's, and say `faulted`.
 */
export class LatePages implements Disposable {
  readonly #faults: object;

  private constructor(faults: object) {
    this.#faults = faults;
  }

  /**
   * @param timeout milliseconds that a page may take
   * @throws VioError VIO_USERFAULTFD when the system forbids it
   */
  static open(timeout: number): LatePages {
    const known = { code: 'VIO_USERFAULTFD', remedy };
    return new LatePages(
      attempt(() => addon.faultsOpen(Math.min(timeout, longestTimer)), 'wait for pages of memory', {
        EPERM: known,
        ENOSYS: known,
        EINVAL: known,
      }),
    );
  }

  /** The userfaultfd, by which pages are asked for; it stays ours. -1 once closed. */
  get fd(): number {
    return addon.faultsFd(this.#faults);
  }

  /** True once a page did not come in time. */
  get expired(): boolean {
    return addon.faultsExpired(this.#faults);
  }

  /** Pages of this area that are not there are waited for from now on. @returns address of its first byte in this process */
  add(area: Area): bigint {
    return attempt(() => addon.faultsAdd(this.#faults, area), 'wait for pages of memory');
  }

  /** All pages are there. Idempotent. */
  close(): void {
    addon.faultsEnd(this.#faults);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const remedy =
  'sysctl vm.unprivileged_userfaultfd=1, or the capability CAP_SYS_PTRACE; a container needs a seccomp profile that lets userfaultfd through';
