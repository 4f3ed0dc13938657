import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { UnixListener } from '@vio/native';
import { callApplication, listenTcp, tcpAddressOf } from '@vio/native/internal';
import type { ClientSocket } from '../telemetry/client-socket.ts';
import { letIn } from '../telemetry/door.ts';
import { WorkBudget } from '../telemetry/work-budget.ts';
import type { HttpAddress, HttpPlace } from './http-address.ts';
import { pacedConnection } from './paced-connection.ts';

/** Connections at once: more than any number of Prometheus servers and open pages. */
export const mostConnections = 64;
/** Milliseconds until a request is whole, from the beginning of its connection, or the end of the answer before. */
export const requestMilliseconds = 10_000;
/** Connections that wait in the kernel to be let in. */
const backlog = 64;
const noRoom =
  'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n';

/** A socket that listens already. */
interface OpenSocket {
  /** It belongs to the server then. */
  readonly fd: number;
  /** Of a Unix socket; undefined: it is none. */
  readonly path: string | undefined;
}

/** What is of Node, and loaded by those who serve. */
interface Loaded {
  readonly server: Server;
  readonly Stream: typeof Duplex;
}

/**
 * Serves HTTP to those who look at what this thread does, of the same share of its time as telemetry: nobody is let in, read or
 * answered before it is his turn. Requests of a connection are answered one after the other; who sends a body, or several requests at
 * once, is sent away. Where there are as many connections as can be, the one that has waited longest to say something makes room for the
 * next.
 */
export class HttpServer implements AsyncDisposable {
  /** Where it is, for a person. */
  readonly place: HttpPlace;
  #turnedAway = 0;
  readonly #listener: UnixListener;
  readonly #loaded: Loaded;
  readonly #budget: WorkBudget;
  readonly #stopping = new AbortController();
  /** Those that are being answered. */
  readonly #busy = new Set<Duplex>();
  /** Those that have yet to ask, and the end of their time for it; who waits longest comes first. */
  readonly #silent = new Map<Duplex, NodeJS.Timeout>();

  private constructor(listener: UnixListener, place: HttpPlace, loaded: Loaded, budget: WorkBudget) {
    this.place = place;
    this.#listener = listener;
    this.#loaded = loaded;
    this.#budget = budget;
    void letIn(listener, budget, this.#stopping.signal, (client) => this.#serve(client));
  }

  /**
   * @param answer as for `createServer` of node:http
   * @throws VioError VIO_SOCKET_*, or what Node says when nobody can listen there
   */
  static async listen(
    where: HttpAddress | OpenSocket,
    answer: RequestListener,
    budget = WorkBudget.ofThread,
  ): Promise<HttpServer> {
    const [{ createServer }, { Duplex: Stream }] = await Promise.all([
      import('node:http'),
      import('node:stream'),
    ]);
    const server = createServer();
    const listener = await listenAt(where);
    const http = new HttpServer(listener, placeOf(listener, where), { server, Stream }, budget);
    server.on('request', (request, response) => http.#hear(request, response, answer));
    return http;
  }

  /** Connections at the moment. */
  get connections(): number {
    return this.#busy.size + this.#silent.size;
  }

  /** Connections that were closed for others, or refused, because there were too many. */
  get turnedAway(): number {
    return this.#turnedAway;
  }

  /** The same as Prometheus reads it. */
  get metricsText(): string {
    return `# HELP vio_http_turned_away_total Connections to this server that were too many: closed for others, or refused.
# TYPE vio_http_turned_away_total counter
vio_http_turned_away_total ${this.#turnedAway}
`;
  }

  /** Ends all connections, and listens no more. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#listener.close();
    for (const connection of [...this.#busy, ...this.#silent.keys()]) connection.destroy();
    return Promise.resolve();
  }

  #serve(client: ClientSocket): void {
    if (this.connections >= mostConnections) {
      this.#turnedAway++;
      const [oldest] = this.#silent.keys();
      if (oldest === undefined) {
        client.end(noRoom);
        client.destroySoon();
        return;
      }
      this.#gone(oldest);
      oldest.destroy();
    }
    const connection = pacedConnection(client, this.#budget.account(), this.#loaded.Stream);
    connection.on('close', () => this.#gone(connection));
    this.#wait(connection);
    this.#loaded.server.emit('connection', connection);
  }

  /** It has some time to ask. */
  #wait(connection: Duplex): void {
    this.#silent.set(connection, setTimeout(() => connection.destroy(), requestMilliseconds).unref());
  }

  #gone(connection: Duplex): void {
    this.#busy.delete(connection);
    clearTimeout(this.#silent.get(connection));
    this.#silent.delete(connection);
  }

  #hear(request: IncomingMessage, response: ServerResponse, answer: RequestListener): void {
    const { socket: connection, headers } = request;
    if (this.#busy.has(connection)) {
      connection.destroy();
      return;
    }
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
      response.on('finish', () => connection.destroy());
      response
        .writeHead(413, { connection: 'close', 'content-type': 'text/plain' })
        .end('nothing is taken here\n');
      return;
    }
    this.#gone(connection);
    this.#busy.add(connection);
    response.on('close', () => {
      this.#busy.delete(connection);
      if (!connection.destroyed) this.#wait(connection);
    });
    callApplication(() => answer(request, response));
  }
}

async function listenAt(where: HttpAddress | OpenSocket): Promise<UnixListener> {
  if ('fd' in where) return UnixListener.adopt(where.fd, where.path ?? `descriptor ${where.fd}`);
  if (!('host' in where)) return UnixListener.listen(where.path, { backlog });
  const { lookup } = await import('node:dns/promises');
  const { address } = await lookup(where.host);
  return UnixListener.adopt(listenTcp(address, where.port, backlog), `${where.host}:${where.port}`);
}

function placeOf({ fd, path }: UnixListener, where: HttpAddress | OpenSocket): HttpPlace {
  const bound = tcpAddressOf(fd);
  if (bound === undefined) return { url: `unix:${path}`, browsable: false, host: undefined };
  const [address, port] = bound;
  const host = 'host' in where ? where.host : address;
  return { url: `http://${address.includes(':') ? `[${address}]` : address}:${port}`, browsable: true, host };
}
