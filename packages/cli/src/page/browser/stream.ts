import type { Happened, Hello, Look, Missed, Packets } from '../shared/messages.ts';

/** Who is told what the program says. */
export interface Listeners {
  hello(message: Hello): void;
  look(message: Look): void;
  happened(message: Happened): void;
  packets(message: Packets): void;
  missed(message: Missed): void;
  /** The program is there, or is not. */
  there(is: boolean): void;
}

const names = ['hello', 'look', 'happened', 'packets', 'missed'] as const;
/** Milliseconds until the program is asked for again. */
const patience = 2000;

/** What the program says, for as long as the page is open and seen. */
export class Stream {
  readonly #listeners: Listeners;
  #port: number | undefined;
  #source: EventSource | undefined;
  #again: number | undefined;

  constructor(listeners: Listeners) {
    this.#listeners = listeners;
    // A page that nobody sees asks for nothing.
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#close() : this.#open()));
    this.#open();
  }

  /** Looks at another port. */
  choose(port: number): void {
    this.#port = port;
    this.#open();
  }

  #open(): void {
    this.#close();
    const source = new EventSource(this.#port === undefined ? 'live' : `live?port=${this.#port}`);
    this.#source = source;
    for (const name of names) {
      source.addEventListener(name, ({ data }: MessageEvent<string>) => {
        this.#listeners.there(true);
        // The messages of each name have the type that messages.ts gives it.
        (this.#listeners[name] as (message: unknown) => void)(JSON.parse(data));
      });
    }
    source.addEventListener('error', () => {
      this.#close();
      this.#listeners.there(false);
      this.#again = setTimeout(() => this.#open(), patience);
    });
  }

  #close(): void {
    clearTimeout(this.#again);
    this.#source?.close();
  }
}
