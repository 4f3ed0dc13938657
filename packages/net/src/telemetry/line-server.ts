import type { Socket } from 'node:net';
import { type ListenOptions, UnixListener, VioError, dupFd } from '@vio/native';
import { disownFd } from '@vio/native/internal';
import { type LineConnectionOptions, converse, errorOf } from './line-connection.ts';
import { WorkBudget } from './work-budget.ts';

/** How lines are served. */
export interface LineServerOptions extends LineConnectionOptions {
  /** Clients at once; who comes beyond is sent away. Default 64. */
  readonly maxClients?: number;
  /** What is said to everybody who connects. Default: nothing. */
  readonly greeting?: object;
  /** Who may connect. Default: this user. */
  readonly socket?: Pick<ListenOptions, 'mode' | 'uid' | 'gid'>;
}

/**
 * A Unix socket on which requests and answers are lines: `{"id": 1, "method": "health"}` is answered by `{"id": 1, "result": ...}`
 * or by `error` with `code`, `message`, `remedy` and `retryable`. A client's requests are served one after the other; clients,
 * requests, waits and the time that all of it takes are bounded. The process does not stay alive for it.
 */
export class LineServer implements AsyncDisposable {
  /** Of the socket. */
  readonly path: string;
  readonly #listener: UnixListener;
  readonly #options: LineServerOptions;
  readonly #clients = new Set<Socket>();
  readonly #budget = new WorkBudget();
  readonly #stopping = new AbortController();

  private constructor(listener: UnixListener, options: LineServerOptions) {
    this.path = listener.path;
    this.#listener = listener;
    this.#options = options;
    void this.#accept();
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

  async #accept(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const stream = await this.#listener.accept({ signal });
        // Node's own socket reads and writes lines, and is loaded by those who have clients; the descriptor is its from here on.
        const { Socket } = await import('node:net');
        const fd = dupFd(stream.fd);
        disownFd(fd);
        stream.close();
        this.#serve(new Socket({ fd, readable: true, writable: true }));
      } catch {
        // Ended, or out of descriptors: not at once again.
        if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10).unref());
      }
    }
  }

  #serve(client: Socket): void {
    const { maxClients = 64, greeting, code } = this.#options;
    client.unref();
    client.on('error', () => client.destroy());
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
    void converse(client, this.#options, this.#budget);
  }
}
