import type { IncomingMessage, ServerResponse } from 'node:http';
import { VioError } from '@vio/native';
import { type Measured, prometheusText } from '@vio/net';
import { HttpServer, prometheusContentType } from '@vio/net/internal';
import type { HttpAddress } from '@vio/net/internal/http';
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
  readonly #server: HttpServer;
  readonly #page: LivePage;

  private constructor(server: HttpServer, page: LivePage) {
    const { url, browsable } = server.place;
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
    const scrape = (): string => about + server.metricsText + prometheusText(measured());
    const answer = answerer(address, scrape, page);
    const server = await HttpServer.listen(address, answer).catch((cause: unknown) => {
      throw listenError(address, cause);
    });
    return new MetricsServer(server, page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#page.end();
    await this.#server[Symbol.asyncDispose]();
  }
}

function answerer(
  address: HttpAddress,
  scrape: () => string,
  page: LivePage,
): (request: IncomingMessage, response: ServerResponse) => void {
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
      return void response.writeHead(200, { 'content-type': prometheusContentType }).end(scrape());
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
