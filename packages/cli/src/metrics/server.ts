import { type Server, createServer } from 'node:http';
import { isIPv6 } from 'node:net';
import { VioError } from '@vio/native';
import { type Measured, prometheusContentType, prometheusText } from '@vio/net';
import { aboutProcess } from './about-process.ts';
import type { MetricsAddress } from './address.ts';

/** More than any number of Prometheus servers; who comes beyond is refused. */
const mostConnections = 64;
/** For a whole request. */
const requestMilliseconds = 10_000;

/** What there is to say before there is a port or device. */
const about = aboutProcess();

/** Serves Prometheus' text at /metrics until it is disposed of. */
export class MetricsServer implements AsyncDisposable {
  /** Where it is, for a person. */
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /**
   * @param measured is asked at every scrape
   * @throws VioError VIO_CLI_METRICS when nobody can listen there
   */
  static async start(
    address: MetricsAddress,
    measured: () => Readonly<Record<string, Measured>>,
  ): Promise<MetricsServer> {
    const server = createServer((request, response) => {
      const found = request.method === 'GET' && request.url?.split('?')[0] === '/metrics';
      if (!found) return void response.writeHead(404, { 'content-type': 'text/plain' }).end('see /metrics\n');
      response
        .writeHead(200, { 'content-type': prometheusContentType })
        .end(about + prometheusText(measured()));
    });
    server.maxConnections = mostConnections;
    server.headersTimeout = requestMilliseconds;
    server.requestTimeout = requestMilliseconds;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(listenError(address, cause)));
      server.listen(address, resolve);
    });
    const bound = server.address();
    if (bound === null || typeof bound === 'string')
      return new MetricsServer(server, `unix:${String(bound)}`);
    const host = isIPv6(bound.address) ? `[${bound.address}]` : bound.address;
    return new MetricsServer(server, `http://${host}:${bound.port}/metrics`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function listenError(address: MetricsAddress, cause: Error): VioError {
  const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
  return new VioError(`metrics cannot be served on ${where}: ${cause.message}`, {
    code: 'VIO_CLI_METRICS',
    remedy: 'choose another address or port (0: any that is free), or end who uses this one',
    cause,
  });
}
