import type { Writable } from 'node:stream';
import { jsonValue } from '@vio/net/internal';

/** Milliseconds that a browser may leave what it was sent unread. */
const patience = 15_000;

/**
 * A browser that reads the stream. It is sent nothing more while it has not read the message before, so no more than one waits for
 * it; what is left out is counted and told. One that does not read at all is sent away.
 */
export class StreamClient {
  /** Number of the port it looks at; undefined: the first. */
  readonly port: number | undefined;
  /** Of the events that it was told. */
  cursor = 0;
  /** Number of the last packet that it was told. */
  packet = 0;
  /** Looks that it was not told, since it was told that last. */
  #missed = 0;
  readonly #response: Writable;
  #stuck: NodeJS.Timeout | undefined;

  constructor(response: Writable, port: number | undefined, gone: () => void) {
    this.#response = response;
    this.port = port;
    response.on('close', () => {
      clearTimeout(this.#stuck);
      gone();
    });
    response.on('error', () => response.destroy());
  }

  /** Whether it has read what it was sent; a look that it cannot be told is counted. */
  ready(): boolean {
    if (this.#stuck === undefined && !this.#response.destroyed) return true;
    this.#missed++;
    return false;
  }

  /** Looks that it was not told; from now on they are counted anew. */
  takeMissed(): number {
    const missed = this.#missed;
    this.#missed = 0;
    return missed;
  }

  send(text: string): void {
    if (this.#response.write(text) || this.#stuck !== undefined) return;
    this.#stuck = setTimeout(() => this.#response.destroy(), patience).unref();
    this.#response.once('drain', () => {
      clearTimeout(this.#stuck);
      this.#stuck = undefined;
    });
  }

  end(): void {
    this.#response.end();
  }
}

/** An event of the stream. JSON has no line breaks, so it is one line whatever it says. */
export function eventText(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data, jsonValue)}\n\n`;
}
