import { type Socket, connect } from 'node:net';

/** Bytes of an answer at most. */
const mostAnswer = 16 << 20;
/** Milliseconds for an answer. */
const patience = 2000;

interface Answer {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message?: unknown };
}

/** Asks one running program, one question after the other. Whatever goes wrong ends it. */
export class TelemetryClient implements Disposable {
  readonly path: string;
  readonly #socket: Socket;
  #text = '';
  #next = 1;
  #waiting: { id: number; resolve: (answer: Answer) => void; reject: (reason: Error) => void } | undefined;
  #over: Error | undefined;

  private constructor(path: string, socket: Socket) {
    this.path = path;
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => this.#received(text));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the connection has ended')));
  }

  /** @throws Error when nobody listens there */
  static async connect(path: string): Promise<TelemetryClient> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', resolve);
    });
    return new TelemetryClient(path, socket);
  }

  /** @throws Error when there is no answer, or it is an error */
  async ask(method: string): Promise<unknown> {
    if (this.#over !== undefined) throw this.#over;
    const id = this.#next++;
    const timer = setTimeout(() => this.#end(new Error('no answer came')), patience);
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        this.#waiting = { id, resolve, reject };
        this.#socket.write(`${JSON.stringify({ id, method })}\n`);
      });
      if (answer.error !== undefined) throw new Error(String(answer.error.message));
      return answer.result;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#end(new Error('the connection is closed'));
  }

  #received(text: string): void {
    this.#text += text;
    if (this.#text.length > mostAnswer) return this.#end(new Error('an answer is too long'));
    const lines = this.#text.split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      try {
        const answer = JSON.parse(line) as Answer;
        // What has no number was not asked for, as the greeting.
        if (answer.id === this.#waiting?.id) this.#waiting?.resolve(answer);
      } catch {
        this.#end(new Error('the answer is no JSON'));
      }
    }
  }

  #end(reason: Error): void {
    this.#over ??= reason;
    this.#socket.destroy();
    this.#waiting?.reject(this.#over);
  }
}
