import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

/**
 * A program on a pseudo-terminal. Node has none, so util-linux `script` holds it. Both die with this process: each
 * asks the kernel for SIGKILL when its parent is gone.
 */
export class PtyProcess {
  /** Everything the program wrote, carriage returns removed. */
  output = '';
  /** Null while it runs. */
  exit: string | undefined;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor(command: readonly string[]) {
    const line = ['exec', 'setpriv', '--pdeathsig', 'KILL', ...command].map(quote).join(' ');
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', 'script', '-qfec', line, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text.replaceAll('\r', '');
        this.#wake();
      });
    }
    // A program that dies while we write is told by `exit`, not by EPIPE.
    this.#child.stdin?.on('error', () => {});
    this.#child.on('error', (error) => this.#ended(error.message));
    this.#child.on('close', (code, signal) => this.#ended(signal ?? `code ${code}`));
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /**
   * Waits until `done` says so of the output so far, or the program ends.
   * @param timeout milliseconds
   * @returns false when the time is over first
   */
  async until(done: () => boolean, timeout: number): Promise<boolean> {
    const end = performance.now() + timeout;
    while (!done() && this.exit === undefined) {
      const left = end - performance.now();
      if (left <= 0) return false;
      await this.#change(left);
    }
    return true;
  }

  /** The program, not `script`, is killed: which then tells how it ended, and ends. Without one, `script` is. */
  kill(): void {
    const programs = this.#children();
    if (programs.length === 0) this.#child.kill('SIGKILL');
    for (const pid of programs) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended by itself.
      }
    }
  }

  /** What `script` runs: it became the program by exec. */
  #children(): number[] {
    const { pid } = this.#child;
    if (pid === undefined || this.exit !== undefined) return [];
    return childrenOf(pid);
  }

  #change(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeout);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #ended(how: string): void {
    this.exit ??= how;
    this.#wake();
  }
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => parentOf(pid) === parent);
}

/** @returns -1 when there is no such process any more */
function parentOf(pid: number): number {
  try {
    // Behind the name, which may have any characters: state, then parent.
    return Number(/.*\) \S+ (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? -1);
  } catch {
    return -1;
  }
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
