import { type ListenOptions, UnixListener, VioError } from '@vio/native';
import type { ClientSocket } from './client-socket.ts';
import { letIn } from './door.ts';
import { type LineConnectionOptions, converse, errorOf } from './line-connection.ts';
import { WorkBudget } from './work-budget.ts';

/** How lines are served. */
export interface LineServerOptions extends LineConnectionOptions {
  /** Clients at once; who comes beyond is sent away. Default 64. */
  readonly maxClients?: number;
  /** Of the thread's time, what all of them may cost together. Default 0.01, for all who look at what this thread does. */
  readonly share?: number;
  /** What is said to everybody who connects. Default: nothing. */
  readonly greeting?: object;
  /** Who may connect. Default: this user. */
  readonly socket?: Pick<ListenOptions, 'mode' | 'uid' | 'gid'>;
}

/**
 * A Unix socket on which requests and answers are lines: `{"id": 1, "method": "health"}` is answered by `{"id": 1, "result": ...}`
 * or by `error` with `code`, `message`, `remedy` and `retryable`. A client's requests are served one after the other; clients,
 * requests, waits and the time that all of it takes are bounded: nobody is let in, read or answered before it is his turn, so
 * that whoever asks for more fills buffers of the kernel. The process does not stay alive for it.
 */
export class LineServer implements AsyncDisposable {
  /** Of the socket. */
  readonly path: string;
  readonly #listener: UnixListener;
  readonly #options: LineServerOptions;
  readonly #clients = new Set<ClientSocket>();
  readonly #budget: WorkBudget;
  readonly #streams = { open: 0 };
  readonly #stopping = new AbortController();

  private constructor(listener: UnixListener, options: LineServerOptions) {
    this.path = listener.path;
    this.#listener = listener;
    this.#options = options;
    this.#budget = options.share === undefined ? WorkBudget.ofThread : new WorkBudget(options.share);
    void letIn(listener, this.#budget, this.#stopping.signal, (client) => this.#serve(client));
  }

  /** Listens. @throws VioError VIO_SOCKET_*, VIO_OPTION_UNKNOWN */
  static listen(path: string, options: LineServerOptions): LineServer {
    return new LineServer(UnixListener.listen(path, { mode: 0o600, ...options.socket }), options);
  }

  /** Serves those who connect to a listener, which belongs to the server then. */
  static adopt(listener: UnixListener, options: LineServerOptions): LineServer {
    return new LineServer(listener, options);
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Ends all connections, and takes the socket away. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#listener.close();
    for (const client of this.#clients) client.destroy();
    return Promise.resolve();
  }

  #serve(client: ClientSocket): void {
    const { maxClients = 64, greeting, code } = this.#options;
    if (this.#clients.size >= maxClients) {
      const reason = new VioError(`${maxClients} clients are connected`, {
        code,
        remedy: 'end some of them',
        retryable: true,
      });
      client.end(`${JSON.stringify({ error: errorOf(reason) })}\n`);
      client.destroySoon();
      return;
    }
    this.#clients.add(client);
    client.on('close', () => this.#clients.delete(client));
    if (greeting !== undefined) client.write(`${JSON.stringify(greeting)}\n`);
    void converse(client, this.#options, { account: this.#budget.account(), streams: this.#streams });
  }
}
