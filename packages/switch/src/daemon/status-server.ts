import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { isIPv6 } from 'node:net';
import { prometheusContentType, prometheusText } from '@vio/net';
import { inTurns } from '@vio/net/internal';
import { switchError } from '../config/errors.ts';
import type { VioSwitch } from '../switch/vio-switch.ts';

const mostConnections = 64;
/** For a whole request. */
const requestMilliseconds = 10_000;

/** Where to listen: a port of this machine or of one of its addresses, or a Unix socket. */
type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** A socket that listens already, as systemd passes them. */
export interface ListeningSocket {
  /** It belongs to the server then. */
  readonly fd: number;
  /** Of a Unix socket; undefined: it is none. */
  readonly path: string | undefined;
}

/** What a browser is shown besides. */
export interface StatusPage {
  /** Answers a GET that is for the page. @param host that is listened on; undefined: a Unix socket @returns false: it is for others */
  answer(request: IncomingMessage, response: ServerResponse, host: string | undefined): boolean;
  /** Ends what it streams. */
  end(): void;
}

/** Serves /health (200, or 503 while the switch waits for its ports) and /metrics over HTTP. */
export class StatusServer implements AsyncDisposable {
  /** Where it is, for a person. */
  readonly url: string;
  /** Where the page is; undefined: there is none, or no browser reaches it by itself. */
  readonly page: string | undefined;
  readonly #server: Server;
  readonly #shown: StatusPage | undefined;

  private constructor(server: Server, shown: StatusPage | undefined, path: string | undefined) {
    this.#server = server;
    this.#shown = shown;
    const bound = server.address();
    if (bound === null || typeof bound === 'string') {
      this.url = `unix:${path ?? String(bound)}`;
      return;
    }
    const host = isIPv6(bound.address) ? `[${bound.address}]` : bound.address;
    this.url = `http://${host}:${bound.port}`;
    if (shown !== undefined) this.page = `${this.url}/`;
  }

  /**
   * @param where an address as the configuration has them, or a socket that listens already
   * @param page at /; default: none
   * @throws VioError VIO_SWITCH_HTTP when nobody can listen there
   */
  static async start(
    where: string | ListeningSocket,
    fabric: VioSwitch,
    health: () => object,
    page?: StatusPage,
  ): Promise<StatusServer> {
    const address = typeof where === 'string' ? parseAddress(where) : { fd: where.fd };
    let listened: string | undefined;
    const shown = inTurns((request, response) => {
      if (request.method === 'GET' && pathOf(request) === '/metrics') {
        response.writeHead(200, { 'content-type': prometheusContentType });
        response.end(prometheusText(fabric.measured()));
      } else if (request.method !== 'GET' || page?.answer(request, response, listened) !== true) {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('see /health and /metrics\n');
      }
    });
    const server = createServer((request, response) => {
      // Who asks for this takes no answer for a bad one.
      if (request.method !== 'GET' || pathOf(request) !== '/health') return shown(request, response);
      response.writeHead(fabric.restoring ? 503 : 200, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(health())}\n`);
    });
    server.maxConnections = mostConnections;
    server.headersTimeout = requestMilliseconds;
    server.requestTimeout = requestMilliseconds;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(
          switchError(
            'HTTP',
            `nobody can listen on ${typeof where === 'string' ? where : `descriptor ${where.fd}`}: ${cause.message}`,
            'choose another address',
            cause,
          ),
        ),
      );
      server.listen(address, resolve);
    });
    const bound = server.address();
    if ('host' in address) listened = address.host;
    else if (bound !== null && typeof bound === 'object') listened = bound.address;
    return new StatusServer(server, page, typeof where === 'string' ? undefined : where.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#shown?.end();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function pathOf({ url }: IncomingMessage): string | undefined {
  return url?.split('?')[0];
}

function parseAddress(text: string): Address {
  if (text.startsWith('/')) return { path: text };
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw switchError(
      'HTTP',
      `${text} is no address`,
      'give PORT, HOST:PORT, [IPV6]:PORT or the path of a socket',
    );
  }
  const [, ipv6, name] = match;
  return { host: ipv6 ?? (name === undefined || name === '' ? '127.0.0.1' : name), port };
}
