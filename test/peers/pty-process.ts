import { type ChildProcess, spawn } from 'node:child_process';

/**
 * A program on a pseudo-terminal. Node has none, so util-linux `script` holds it. Both die with this process: each
 * asks the kernel for SIGKILL when its parent is gone.
 */
export class PtyProcess {
  /** Everything the program wrote, carriage returns removed. */
  output = '';
  /** Null while it runs. */
  exit: string | null = null;
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
    while (!done() && this.exit === null) {
      const left = end - performance.now();
      if (left <= 0) return false;
      await this.#change(left);
    }
    return true;
  }

  /** `script` passes SIGTERM on and ends; SIGKILL takes the pseudo-terminal away and thereby the program. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal);
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

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
