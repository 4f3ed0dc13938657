import type { IncomingMessage, ServerResponse } from 'node:http';
import { pageFile } from './files.ts';
import { refusal, securityHeaders } from './guard.ts';
import { Hub, type Shown, mostStreams } from './hub.ts';

/** The live page: its files, and the stream that it reads. */
export class LivePage {
  readonly #hub: Hub;

  constructor(shown: Shown) {
    this.#hub = new Hub(shown);
  }

  /** Answers a GET that is for the page, unless it comes from elsewhere. @param host see `refusal` @returns false when it is for others */
  serve(request: IncomingMessage, response: ServerResponse, host: string | undefined): boolean {
    const asked = target(request);
    if (asked === undefined) return false;
    const no = refusal(request, host);
    if (no === undefined) return this.answer(asked.path, asked.query, response);
    response.writeHead(no.status, { ...securityHeaders, 'content-type': 'text/plain' }).end(`${no.text}\n`);
    return true;
  }

  /** Answers a GET of the page's. @returns false when it is not for the page */
  answer(path: string, query: URLSearchParams, response: ServerResponse): boolean {
    if (path === '/live') {
      this.#stream(query.get('port'), response);
      return true;
    }
    const file = pageFile(path);
    if (file === undefined) return false;
    response.writeHead(200, { ...securityHeaders, 'content-type': file.type }).end(file.bytes);
    return true;
  }

  end(): void {
    this.#hub.end();
  }

  #stream(port: string | null, response: ServerResponse): void {
    if (this.#hub.full) {
      response
        .writeHead(503, { ...securityHeaders, 'content-type': 'text/plain', 'retry-after': '10' })
        .end(`${mostStreams} pages are open already\n`);
      return;
    }
    response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream; charset=utf-8' });
    this.#hub.add(response, port !== null && /^\d{1,15}$/.test(port) ? Number(port) : undefined);
  }
}

/** The path and the query of a request; undefined when it makes no sense. */
export function target({ url }: IncomingMessage): { path: string; query: URLSearchParams } | undefined {
  if (url === undefined || !url.startsWith('/')) return undefined;
  const at = url.indexOf('?');
  return at === -1
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}
