import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** A terminal of its own: tmux draws what a command writes, and types. */
export class Terminal implements Disposable {
  readonly #socket: string;

  /** @param directory for its socket @param command of a shell */
  constructor(directory: string, columns: number, rows: number, command: string) {
    this.#socket = join(directory, `tmux-${Math.random().toString(36).slice(2)}`);
    const size = ['-x', String(columns), '-y', String(rows)];
    this.#tmux('new-session', '-d', ...size, `${command}; echo ENDED $?; sleep 60`);
  }

  get screen(): string {
    return this.#tmux('capture-pane', '-p');
  }

  /** What is drawn with colours. */
  get colors(): string {
    return this.#tmux('capture-pane', '-p', '-e');
  }

  /** Until the screen shows it. @returns the screen */
  async shows(pattern: RegExp): Promise<string> {
    for (let i = 0; i < 600; i++) {
      const { screen } = this;
      if (pattern.test(screen)) return screen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`this is not shown: ${String(pattern)}\n${this.screen}`);
  }

  /** A key by tmux's name, or letters. */
  press(key: string): void {
    this.#tmux('send-keys', key);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  [Symbol.dispose](): void {
    this.#tmux('kill-server');
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, '-f', '/dev/null', ...args], { encoding: 'utf8' });
  }
}
