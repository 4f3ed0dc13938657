import { VioError } from '@vio/native';
import type { ClientSocket } from './client-socket.ts';
import { jsonValue } from './json-value.ts';
import { type LineRequest, parseLineRequest } from './line-request.ts';
import type { BudgetAccount } from './work-budget.ts';

/** Who answers, and how long a client is put up with. */
export interface LineConnectionOptions {
  /** Of the errors of the protocol itself. */
  readonly code: string;
  /** Answers a request, with what JSON can say, or with a `LineStream`. Throws `VioError`s. */
  readonly answer: (request: LineRequest) => unknown;
  /** Bytes of a request at most. Default 64 KiB. */
  readonly maxRequest?: number;
  /** Milliseconds without a request. Default 60,000. */
  readonly idle?: number;
  /** Milliseconds for an answer to be read. Default 10,000. */
  readonly patience?: number;
}

// What is sent in another way than as JSON is known by its class: an answer may be anything, and have any member.

/** An answer after which the connection carries bytes instead of lines, until either side ends it. */
export class LineStream {
  /** What the line says that comes first. */
  readonly head: object;
  /** Disposed of, if that can be, when the client leaves: those that wait for something end then, and not with the next of it. */
  readonly bytes: AsyncIterable<Uint8Array> & Partial<Disposable>;

  constructor(head: object, bytes: AsyncIterable<Uint8Array> & Partial<Disposable>) {
    this.head = head;
    this.bytes = bytes;
  }
}

/** An answer of any length: its JSON, made and sent part by part, between which others get their turn. */
export class LineParts {
  readonly texts: Iterator<string>;

  constructor(texts: Iterable<string>) {
    this.texts = texts[Symbol.iterator]();
  }
}

/** What a client has of what there is for all of them. */
export interface LineClient {
  /** Of the thread's time. */
  readonly account: BudgetAccount;
  /** Answers that go on as a stream, of all clients. */
  readonly streams: { open: number };
}

const newline = 10;
/** Milliseconds of making parts in a row, and characters that are sent at once. */
const partsInRow = 0.1;
const partsAtOnce = 16_384;
/** Streams at once: each one is told of everything that passes. */
const mostStreams = 8;
/** Milliseconds that a chunk of a stream cost before it was here: its packets were copied as they passed. */
const copying = 0.1;

/** Serves one client until it is gone. Never rejects. */
export async function converse(
  client: ClientSocket,
  options: LineConnectionOptions,
  { account, streams }: LineClient,
): Promise<void> {
  const { idle = 60_000, patience = 10_000 } = options;
  // Bytes of a request that is never whole are no request.
  const silence = setTimeout(() => client.destroy(), idle).unref();
  const asked = (): void => void silence.refresh();
  try {
    const stream = await answerLines(client, options, { account, streams }, asked);
    clearTimeout(silence);
    if (stream !== undefined) {
      void discard(client, account);
      await carry(client, stream.bytes, patience, account);
    }
    // What is still to be read is not taken back; a client that does not read it runs into the time above.
    client.destroySoon();
  } catch {
    // The client is gone, or does not read.
    clearTimeout(silence);
    client.destroy();
  }
}

/**
 * @param asked is told of every request
 * @returns what the connection is to carry from now on; undefined: the client has said all
 */
async function answerLines(
  client: ClientSocket,
  options: LineConnectionOptions,
  { account, streams }: LineClient,
  asked: () => void,
): Promise<LineStream | undefined> {
  const { code, maxRequest = 64 << 10, patience = 10_000 } = options;
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of client.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    // Nothing more is read before this: a client that says little at a time costs as much as one that asks.
    await account.spend(() => (pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])));
    for (let end = pending.indexOf(newline); end !== -1; end = pending.indexOf(newline)) {
      const line = pending.subarray(0, end);
      pending = pending.subarray(end + 1);
      asked();
      const answered = await account.spend(() => answer(line, options, maxRequest));
      const { id, result } = admitted(client, answered, streams, code);
      if (result instanceof LineParts) {
        await answerInParts(client, { id, result }, account, patience);
        continue;
      }
      const said = result instanceof LineStream ? result.head : result;
      await account.spend(() => write(client, encode(id, said), patience));
      if (result instanceof LineStream) return result;
    }
    if (pending.length > maxRequest) {
      await write(client, `${JSON.stringify({ error: errorOf(tooLong(code, maxRequest)) })}\n`, patience);
      break;
    }
  }
  return undefined;
}

/** The answer; if it is a stream, with a place for it until the client is gone, or an error when there is none. */
function admitted(client: ClientSocket, answered: Answer, streams: { open: number }, code: string): Answer {
  const { id, result } = answered;
  if (!(result instanceof LineStream)) return answered;
  const end = (): void => result.bytes[Symbol.dispose]?.();
  if (streams.open < mostStreams && !client.destroyed) {
    streams.open++;
    client.once('close', () => {
      streams.open--;
      end();
    });
    return answered;
  }
  end();
  const reason = new VioError(`${mostStreams} clients are told of everything that passes already`, {
    code,
    remedy: 'end some of them',
    retryable: true,
  });
  return { id, result: new Failed(reason) };
}

/** @throws what a part throws when others have been sent already, and nothing else can be said */
async function answerInParts(
  client: ClientSocket,
  { id, result: { texts } }: { readonly id: Answer['id']; readonly result: LineParts },
  account: BudgetAccount,
  patience: number,
): Promise<void> {
  let text = `{${id === undefined ? '' : `"id":${JSON.stringify(id)},`}"result":`;
  let sent = false;
  /** Makes some. @returns whether these were the last */
  const more = (): boolean => {
    try {
      for (const end = performance.now() + partsInRow; performance.now() < end;) {
        const part = texts.next();
        if (part.done === true) {
          text += '}\n';
          return true;
        }
        text += part.value;
      }
      return false;
    } catch (error) {
      if (sent) throw error;
      text = encode(id, new Failed(error));
      return true;
    }
  };
  const piece = async (): Promise<boolean> => {
    const over = more();
    if (!over && text.length < partsAtOnce) return false;
    sent = true;
    const all = text;
    text = '';
    await write(client, all, patience);
    return over;
  };
  while (!(await account.spend(piece)));
}

/** The error of an answer. */
export function errorOf(error: unknown): object {
  if (VioError.is(error)) {
    const { code, message, remedy, retryable } = error;
    return { code, message, remedy, retryable };
  }
  return {
    code: 'VIO_INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    remedy: 'this is a defect of vio: please report it',
    retryable: false,
  };
}

class Failed {
  readonly error: object;

  constructor(error: unknown) {
    this.error = errorOf(error);
  }
}

interface Answer {
  readonly id: string | number | undefined;
  readonly result: unknown;
}

async function answer(line: Buffer, options: LineConnectionOptions, maxRequest: number): Promise<Answer> {
  let id: string | number | undefined;
  try {
    if (line.length > maxRequest) throw tooLong(options.code, maxRequest);
    const request = parseLineRequest(line.toString('utf8'), options.code);
    id = request.id;
    return { id, result: await options.answer(request) };
  } catch (error) {
    return { id, result: new Failed(error) };
  }
}

/** The line of an answer. */
function encode(id: string | number | undefined, result: unknown): string {
  if (result instanceof Failed) return `${JSON.stringify({ id, error: result.error })}\n`;
  return `${JSON.stringify({ id, result: result ?? null }, jsonValue)}\n`;
}

function tooLong(code: string, maxRequest: number): VioError {
  return new VioError(`a request has more than ${maxRequest} bytes`, {
    code,
    remedy: 'ask for less at once',
  });
}

/** Nobody asks any more: what a client says now is dropped, no faster than requests are read, and that it leaves is seen. */
async function discard(client: ClientSocket, account: BudgetAccount): Promise<void> {
  try {
    for await (const _ of client.iterator({ destroyOnReturn: false })) await account.spend(() => {});
  } catch {
    // It has not ended well.
  }
  client.destroySoon();
}

async function carry(
  client: ClientSocket,
  bytes: LineStream['bytes'],
  patience: number,
  account: BudgetAccount,
): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]();
  const left = new Promise<undefined>((resolve) => client.once('close', () => resolve(undefined)));
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), left]);
      if (next === undefined || next.done === true) return;
      const { value } = next;
      await account.spend(() => write(client, value, patience), copying);
    }
  } finally {
    bytes[Symbol.dispose]?.();
    void iterator.return?.();
  }
}

/** Resolves when the client has room for more. @throws Error when it does not read, or is gone */
function write(client: ClientSocket, data: string | Uint8Array, patience: number): Promise<void> {
  if (client.destroyed) return Promise.reject(new Error('the client is gone'));
  if (client.write(data)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(new Error('the client does not read')), patience).unref();
    const settle = (failure?: Error): void => {
      clearTimeout(timer);
      client.off('drain', drained);
      client.off('close', closed);
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const drained = (): void => settle();
    const closed = (): void => settle(new Error('the client is gone'));
    client.once('drain', drained);
    client.once('close', closed);
  });
}
