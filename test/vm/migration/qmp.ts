import { type Socket, connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

/** QEMU's monitor: JSON, a line each way. */
export class Qmp implements Disposable {
  readonly #socket: Socket;
  readonly #answers: ((answer: Record<string, unknown>) => void)[] = [];
  /** States of the moves so far, in their order, where QEMU was asked to tell of them (capability `events`). */
  readonly states: string[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    createInterface(socket).on('line', (line) => {
      const said = JSON.parse(line) as Record<string, unknown>;
      if ('return' in said || 'error' in said) this.#answers.shift()?.(said);
      else if (said['event'] === 'MIGRATION') this.states.push((said['data'] as { status: string }).status);
    });
  }

  /** Waits until QEMU listens. */
  static async connect(path: string): Promise<Qmp> {
    for (let tries = 0; ; tries++) {
      const socket = connect(path);
      const connected = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', () => resolve(false));
      });
      if (connected) {
        const qmp = new Qmp(socket);
        await qmp.ask('qmp_capabilities');
        return qmp;
      }
      if (tries === 100) throw new Error(`nobody listens on ${path}`);
      await wait(100);
    }
  }

  /** @throws Error with what QEMU says against it */
  async ask(execute: string, given: Record<string, unknown> = {}): Promise<unknown> {
    const answer = await new Promise<Record<string, unknown>>((resolve) => {
      this.#answers.push(resolve);
      this.#socket.write(`${JSON.stringify({ execute, arguments: given })}\n`);
    });
    if ('error' in answer) throw new Error(`${execute}: ${JSON.stringify(answer['error'])}`);
    return answer['return'];
  }

  /** The state of the move that goes on. */
  async migration(): Promise<string> {
    const { status = 'none', ...more } = (await this.ask('query-migrate')) as { status?: string };
    if (status === 'failed') throw new Error(`the migration failed: ${JSON.stringify(more)}`);
    return status;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
