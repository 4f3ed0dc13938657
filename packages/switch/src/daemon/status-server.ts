import { type Server, createServer } from 'node:http';
import { isIPv6 } from 'node:net';
import { prometheusContentType, prometheusText } from '@vio/net';
import { switchError } from '../config/errors.ts';
import type { VioSwitch } from '../switch/vio-switch.ts';

const mostConnections = 64;
/** For a whole request. */
const requestMilliseconds = 10_000;

/** Where to listen: a port of this machine or of one of its addresses, or a Unix socket. */
type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** Serves /health (200, or 503 while the switch waits for its ports) and /metrics over HTTP. */
export class StatusServer implements AsyncDisposable {
  /** Where it is, for a person. */
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** @throws VioError VIO_SWITCH_HTTP when nobody can listen there */
  static async start(text: string, fabric: VioSwitch, health: () => object): Promise<StatusServer> {
    const address = parseAddress(text);
    const server = createServer((request, response) => {
      const path = request.url?.split('?')[0];
      if (request.method === 'GET' && path === '/metrics') {
        response.writeHead(200, { 'content-type': prometheusContentType });
        response.end(prometheusText(fabric.measured()));
      } else if (request.method === 'GET' && path === '/health') {
        response.writeHead(fabric.restoring ? 503 : 200, { 'content-type': 'application/json' });
        response.end(`${JSON.stringify(health())}\n`);
      } else {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('see /health and /metrics\n');
      }
    });
    server.maxConnections = mostConnections;
    server.headersTimeout = requestMilliseconds;
    server.requestTimeout = requestMilliseconds;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(
          switchError(
            'HTTP',
            `nobody can listen on ${text}: ${cause.message}`,
            'choose another address',
            cause,
          ),
        ),
      );
      server.listen(address, resolve);
    });
    const bound = server.address();
    if (bound === null || typeof bound === 'string') return new StatusServer(server, `unix:${String(bound)}`);
    const host = isIPv6(bound.address) ? `[${bound.address}]` : bound.address;
    return new StatusServer(server, `http://${host}:${bound.port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
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
