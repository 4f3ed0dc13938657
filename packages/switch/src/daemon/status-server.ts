import type { IncomingMessage, ServerResponse } from 'node:http';
import { prometheusText } from '@vio/net';
import { HttpServer, prometheusContentType } from '@vio/net/internal';
import { type HttpAddress, parseHttpAddress } from '@vio/net/internal/http';
import { switchError } from '../config/errors.ts';
import type { VioSwitch } from '../switch/vio-switch.ts';

/** A socket that listens already, as systemd passes them. */
export interface ListeningSocket {
  /** It belongs to the server then. */
  readonly fd: number;
  /** Of a Unix socket; undefined: it is none. */
  readonly path: string | undefined;
}

/** How a switch does. */
export interface SwitchHealth {
  /** `restoring`: it waits for the frontends of before. `stuck`: threads of it stand still, and it is to be started anew. */
  readonly status: 'ok' | 'restoring' | 'stuck';
  /** How many there are. */
  readonly ports: number;
  /** At how many of them somebody is. */
  readonly connected: number;
  /** Seconds since it started. */
  readonly uptime: number;
  /** Numbers of the threads that have had no turn for a second. */
  readonly stuck: readonly number[];
}

/** What a browser is shown besides. */
export interface StatusPage {
  /** Answers a GET that is for the page. @param host that is listened on; undefined: a Unix socket @returns false: it is for others */
  answer(request: IncomingMessage, response: ServerResponse, host: string | undefined): boolean;
  /** Ends what it streams. */
  end(): void;
}

/**
 * Serves over HTTP /health (200; 503 while the switch waits for its ports, or a thread of it stands still), /health/live (200; 503
 * while a thread stands still, and only a new start helps) and /metrics.
 */
export class StatusServer implements AsyncDisposable {
  /** Where it is, for a person. */
  readonly url: string;
  /** Where the page is; undefined: there is none, or no browser reaches it by itself. */
  readonly page: string | undefined;
  readonly #server: HttpServer;
  readonly #shown: StatusPage | undefined;

  private constructor(server: HttpServer, shown: StatusPage | undefined) {
    const { url, browsable } = server.place;
    this.#server = server;
    this.#shown = shown;
    this.url = url;
    this.page = browsable && shown !== undefined ? `${url}/` : undefined;
  }

  /**
   * @param where an address as the configuration has them, or a socket that listens already
   * @param page at /; default: none
   * @throws VioError VIO_SWITCH_HTTP when nobody can listen there
   */
  static async start(
    where: string | ListeningSocket,
    fabric: VioSwitch,
    health: () => SwitchHealth | Promise<SwitchHealth>,
    page?: StatusPage,
  ): Promise<StatusServer> {
    const address = typeof where === 'string' ? addressOf(where) : where;
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      const path = request.method === 'GET' ? pathOf(request) : undefined;
      if (path === '/health' || path === '/health/live') {
        void tellHealth(response, health, path === '/health/live');
      } else if (path === '/metrics') {
        response.writeHead(200, { 'content-type': prometheusContentType });
        response.end(server.metricsText + prometheusText(fabric.measured()));
      } else if (path === undefined || page?.answer(request, response, server.place.host) !== true) {
        response
          .writeHead(404, { 'content-type': 'text/plain' })
          .end('see /health, /health/live and /metrics\n');
      }
    };
    const server = await HttpServer.listen(address, answer).catch((cause: unknown) => {
      const at = typeof where === 'string' ? where : `descriptor ${where.fd}`;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw switchError('HTTP', `nobody can listen on ${at}: ${why}`, 'choose another address', cause);
    });
    return new StatusServer(server, page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#shown?.end();
    await this.#server[Symbol.asyncDispose]();
  }
}

async function tellHealth(
  response: ServerResponse,
  health: () => SwitchHealth | Promise<SwitchHealth>,
  isAlive: boolean,
): Promise<void> {
  const told = await health();
  const well = told.status === 'ok' || (isAlive && told.status === 'restoring');
  response.writeHead(well ? 200 : 503, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(told)}\n`);
}

function pathOf({ url }: IncomingMessage): string | undefined {
  return url?.split('?')[0];
}

function addressOf(text: string): HttpAddress {
  const address = parseHttpAddress(text);
  if (address !== undefined) return address;
  throw switchError(
    'HTTP',
    `${text} is no address`,
    'give PORT, HOST:PORT, [IPV6]:PORT or the path of a socket',
  );
}
