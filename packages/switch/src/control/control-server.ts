import { Socket } from 'node:net';
import { UnixListener, VioError, dupFd } from '@vio/native';
import { disownFd, quoted } from '@vio/native/internal';
import { z } from 'zod';
import { switchError } from '../config/errors.ts';
import { type ControlTarget, methods } from './methods.ts';

/** Clients at once; who comes beyond is sent away. */
const mostClients = 64;
/** Bytes of a request. */
const mostRequest = 64 << 10;
/** Milliseconds without a request. */
const idleMilliseconds = 60_000;
/** Milliseconds for an answer to be read. */
const answerMilliseconds = 10_000;
const newline = 10;

const requestSchema = z.strictObject({
  id: z.union([z.string().max(128), z.number()]).optional(),
  method: z.string().max(64),
  params: z.unknown().optional(),
});

/**
 * The control socket of a switch: one JSON object per line and direction. `{"id": 1, "method": "show-ports"}` is answered by
 * `{"id": 1, "result": [...]}` or by `error` with `code`, `message`, `remedy` and `retryable`. A client's requests are served one
 * after the other; clients, requests and waits are bounded.
 */
export class ControlServer implements AsyncDisposable {
  /** Of the socket. */
  readonly path: string;
  readonly #listener: UnixListener;
  readonly #target: ControlTarget;
  readonly #clients = new Set<Socket>();
  readonly #stopping = new AbortController();

  private constructor(path: string, listener: UnixListener, target: ControlTarget) {
    this.path = path;
    this.#listener = listener;
    this.#target = target;
    void this.#accept();
  }

  /** Listens; only this user may connect. @throws VioError VIO_SOCKET_* */
  static listen(path: string, target: ControlTarget): ControlServer {
    return new ControlServer(path, UnixListener.listen(path, { mode: 0o600 }), target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
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
        // Node's own socket reads and writes lines; the descriptor is its from here on.
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
    client.on('error', () => client.destroy());
    if (this.#clients.size >= mostClients) {
      const reason = switchError('CONTROL', `${mostClients} clients are connected`, 'end some of them');
      client.end(`${JSON.stringify({ error: errorOf(reason) })}\n`);
      client.destroySoon();
      return;
    }
    this.#clients.add(client);
    client.on('close', () => this.#clients.delete(client));
    client.setTimeout(idleMilliseconds, () => client.destroy());
    void this.#converse(client);
  }

  async #converse(client: Socket): Promise<void> {
    let pending: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of client as AsyncIterable<Buffer>) {
        pending = Buffer.concat([pending, chunk]);
        for (let end = pending.indexOf(newline); end !== -1; end = pending.indexOf(newline)) {
          const line = pending.subarray(0, end);
          pending = pending.subarray(end + 1);
          await send(client, await this.#answer(line));
        }
        if (pending.length > mostRequest) {
          const reason = switchError(
            'CONTROL',
            `a request has more than ${mostRequest} bytes`,
            'ask for less at once',
          );
          await send(client, { error: errorOf(reason) });
          break;
        }
      }
    } catch {
      // The client is gone, or does not read.
    }
    client.destroy();
  }

  async #answer(line: Buffer): Promise<object> {
    let id: string | number | undefined;
    try {
      if (line.length > mostRequest)
        throw switchError('CONTROL', `a request has ${line.length} bytes`, `at most ${mostRequest}`);
      const request = parseRequest(line.toString('utf8'));
      id = request.id;
      const method = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
      if (method === undefined) {
        throw switchError(
          'CONTROL',
          `there is no method ${quoted(request.method)}`,
          `the methods are ${Object.keys(methods).join(', ')}`,
        );
      }
      return { id, result: (await method(this.#target, request.params)) ?? null };
    } catch (error) {
      return { id, error: errorOf(error) };
    }
  }
}

function parseRequest(text: string): z.infer<typeof requestSchema> {
  try {
    return requestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw switchError(
      'CONTROL',
      'a line is no request',
      'send one JSON object per line: {"id": 1, "method": "show-ports", "params": {}}',
      cause,
    );
  }
}

function errorOf(error: unknown): object {
  if (!VioError.is(error)) {
    return {
      code: 'VIO_SWITCH_INTERNAL',
      message: error instanceof Error ? error.message : String(error),
      remedy: 'this is a defect of vio: please report it',
      retryable: false,
    };
  }
  const { code, message, remedy, retryable } = error;
  return { code, message, remedy, retryable };
}

/** Resolves when the client has room for more. */
function send(client: Socket, answer: object): Promise<void> {
  if (client.write(`${JSON.stringify(answer)}\n`)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the client does not read')), answerMilliseconds);
    const done = (): void => {
      clearTimeout(timer);
      client.off('drain', done);
      client.off('close', done);
      resolve();
    };
    client.once('drain', done);
    client.once('close', done);
  });
}
