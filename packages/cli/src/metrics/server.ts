import {
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  createServer,
} from 'node:http';
import { VioError } from '@vio/native';
import { type Measured, prometheusText } from '@vio/net';
import { inTurns, prometheusContentType } from '@vio/net/internal';
import { type HttpAddress, type HttpPlace, listenHttp } from '@vio/net/internal/http';
import { refusal, securityHeaders } from '../page/server/guard.ts';
import type { Shown } from '../page/server/hub.ts';
import { LivePage, target } from '../page/server/live-page.ts';
import { aboutProcess } from './about-process.ts';

/** What there is to say before there is a port or device. */
const about = aboutProcess();

/** Serves Prometheus' text at /metrics and a page for people at /, until it is disposed of. */
export class MetricsServer implements AsyncDisposable {
  /** Where the metrics are, for a person. */
  readonly url: string;
  /** Where the page is; undefined: no browser reaches a Unix socket. */
  readonly page: string | undefined;
  readonly #server: Server;
  readonly #page: LivePage;

  private constructor(server: Server, { url, browsable }: HttpPlace, page: LivePage) {
    this.#server = server;
    this.#page = page;
    this.page = browsable ? `${url}/` : undefined;
    this.url = browsable ? `${url}/metrics` : url;
  }

  /**
   * @param measured is asked at every scrape
   * @throws VioError VIO_CLI_METRICS when nobody can listen there
   */
  static async start(
    address: HttpAddress,
    measured: () => Readonly<Record<string, Measured>>,
    shown: Shown,
  ): Promise<MetricsServer> {
    const page = new LivePage(shown);
    const server = createServer(inTurns(answerer(address, measured, page)));
    const place = await listenHttp(server, address).catch((cause: unknown) => {
      throw listenError(address, cause);
    });
    return new MetricsServer(server, place, page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#page.end();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function answerer(
  address: HttpAddress,
  measured: () => Readonly<Record<string, Measured>>,
  page: LivePage,
): RequestListener {
  const host = 'host' in address ? address.host : undefined;
  const refuse = (response: ServerResponse, status: number, text: string): void => {
    response.writeHead(status, { ...securityHeaders, 'content-type': 'text/plain' }).end(`${text}\n`);
  };
  return (request: IncomingMessage, response: ServerResponse) => {
    const asked = target(request);
    if (request.method !== 'GET' || asked === undefined) return refuse(response, 404, 'see / and /metrics');
    // Prometheus calls a machine what it likes; of what listens for its own machine only, nobody else has a name.
    const scraped = asked.path === '/metrics';
    const no = scraped && !isLoopback(host) ? undefined : refusal(request, host);
    if (no !== undefined) return refuse(response, no.status, no.text);
    if (scraped) {
      const text = about + prometheusText(measured());
      return void response.writeHead(200, { 'content-type': prometheusContentType }).end(text);
    }
    if (!page.answer(asked.path, asked.query, response)) refuse(response, 404, 'see / and /metrics');
  };
}

function isLoopback(host: string | undefined): boolean {
  return host === 'localhost' || host === '::1' || host?.startsWith('127.') === true;
}

function listenError(address: HttpAddress, cause: unknown): VioError {
  const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new VioError(`metrics cannot be served on ${where}: ${why}`, {
    code: 'VIO_CLI_METRICS',
    remedy: 'choose another address or port (0: any that is free), or end who uses this one',
    cause,
  });
}
