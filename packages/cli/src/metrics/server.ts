import {
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  createServer,
} from 'node:http';
import { isIPv6 } from 'node:net';
import { VioError } from '@vio/native';
import { type Measured, prometheusContentType, prometheusText } from '@vio/net';
import { inTurns } from '@vio/net/internal';
import { refusal, securityHeaders } from '../page/server/guard.ts';
import type { Shown } from '../page/server/hub.ts';
import { LivePage, target } from '../page/server/live-page.ts';
import { aboutProcess } from './about-process.ts';
import type { MetricsAddress } from './address.ts';

/** More than any number of Prometheus servers; who comes beyond is refused. */
const mostConnections = 64;
/** For a whole request. */
const requestMilliseconds = 10_000;

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

  private constructor(server: Server, page: LivePage) {
    this.#server = server;
    this.#page = page;
    const bound = server.address();
    if (bound === null || typeof bound === 'string') {
      this.url = `unix:${String(bound)}`;
      return;
    }
    const host = isIPv6(bound.address) ? `[${bound.address}]` : bound.address;
    this.page = `http://${host}:${bound.port}/`;
    this.url = `${this.page}metrics`;
  }

  /**
   * @param measured is asked at every scrape
   * @throws VioError VIO_CLI_METRICS when nobody can listen there
   */
  static async start(
    address: MetricsAddress,
    measured: () => Readonly<Record<string, Measured>>,
    shown: Shown,
  ): Promise<MetricsServer> {
    const page = new LivePage(shown);
    const server = createServer(inTurns(answerer(address, measured, page)));
    server.maxConnections = mostConnections;
    server.headersTimeout = requestMilliseconds;
    server.requestTimeout = requestMilliseconds;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(listenError(address, cause)));
      server.listen(address, resolve);
    });
    return new MetricsServer(server, page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#page.end();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function answerer(
  address: MetricsAddress,
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

function listenError(address: MetricsAddress, cause: Error): VioError {
  const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
  return new VioError(`metrics cannot be served on ${where}: ${cause.message}`, {
    code: 'VIO_CLI_METRICS',
    remedy: 'choose another address or port (0: any that is free), or end who uses this one',
    cause,
  });
}
