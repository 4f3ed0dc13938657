import type { Writable } from 'node:stream';
import type { Telemetry } from '@vio/net';
import type { TurnTimes } from '../../forward/turn-times.ts';
import type { Happened, Hello, Look, Missed, Packets } from '../shared/messages.ts';
import { look } from './look.ts';
import { Pace } from './pace.ts';
import { PacketSamples } from './packet-samples.ts';
import { StreamClient, eventText } from './stream-client.ts';

/** Browsers that read the stream at once. */
export const mostStreams = 16;
/** Events of one message. */
const mostEvents = 256;

/** What the page shows. */
export interface Shown {
  readonly telemetry: Telemetry;
  readonly hello: Hello;
  /** How long turns take, while somebody looks. */
  readonly turns?: TurnTimes | undefined;
}

/** Looks at the ports for all browsers together, and only while there are some. */
export class Hub {
  readonly #shown: Shown;
  readonly #clients = new Set<StreamClient>();
  readonly #samples = new Map<number, PacketSamples>();
  readonly #pace = new Pace();
  #timer: NodeJS.Timeout | undefined;
  /** When it was looked last, in milliseconds. */
  #looked = Number.NEGATIVE_INFINITY;

  constructor(shown: Shown) {
    this.#shown = shown;
  }

  /** Whether there is room for one more. */
  get full(): boolean {
    return this.#clients.size >= mostStreams;
  }

  /** Streams to a browser until it leaves. @param port number of the one it looks at; undefined: the first */
  add(response: Writable, port: number | undefined): void {
    const client = new StreamClient(response, port, () => this.#left(client));
    this.#clients.add(client);
    client.send(eventText('hello', this.#shown.hello));
    const { turns } = this.#shown;
    if (turns !== undefined && !turns.on) turns.on = true;
    // Whoever has come does not wait for long, and however many come and go, there is not much more to do.
    const wait = this.#pace.interval / 2 - (performance.now() - this.#looked);
    this.#schedule(Math.max(0, wait));
  }

  end(): void {
    for (const client of this.#clients) client.end();
  }

  #left(client: StreamClient): void {
    this.#clients.delete(client);
    for (const [port, samples] of this.#samples) {
      if ([...this.#clients].some((other) => this.#portOf(other) === port)) continue;
      samples.stop();
      this.#samples.delete(port);
    }
    if (this.#clients.size > 0) return;
    clearTimeout(this.#timer);
    if (this.#shown.turns !== undefined) this.#shown.turns.on = false;
  }

  #schedule(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#looked = performance.now();
      this.#tell();
      this.#pace.cost(performance.now() - this.#looked);
      this.#schedule(this.#pace.interval);
    }, wait).unref();
  }

  #tell(): void {
    const { interval } = this.#pace;
    const turns = this.#shown.turns?.take();
    const looks = new Map<number | undefined, string>();
    for (const client of this.#clients) {
      if (!client.ready()) continue;
      const { port } = client;
      let text = looks.get(port);
      if (text === undefined) {
        const seen = look(this.#shown.telemetry, port);
        text = eventText('look', {
          ...seen,
          interval,
          ...(turns === undefined ? {} : { turns }),
        } satisfies Look);
        looks.set(port, text);
      }
      client.send(this.#missed(client) + text + this.#happened(client) + this.#packets(client));
    }
  }

  #missed(client: StreamClient): string {
    const looks = client.takeMissed();
    return looks === 0 ? '' : eventText('missed', { looks } satisfies Missed);
  }

  #happened(client: StreamClient): string {
    const { cursor, lost, events } = this.#shown.telemetry.events.since(client.cursor);
    client.cursor = cursor;
    if (events.length === 0 && lost === 0) return '';
    const told = events.slice(-mostEvents);
    return eventText('happened', {
      lost: lost + events.length - told.length,
      events: told,
    } satisfies Happened);
  }

  #packets(client: StreamClient): string {
    if (!this.#shown.hello.packets) return '';
    const port = this.#portOf(client);
    const source = this.#shown.telemetry.all.find(({ id }) => id === port)?.source;
    if (port === undefined || source === undefined) return '';
    const samples = this.#samples.get(port) ?? new PacketSamples(source);
    this.#samples.set(port, samples);
    const packets = samples.since(client.packet);
    client.packet = packets.at(-1)?.number ?? client.packet;
    samples.more();
    return packets.length === 0 ? '' : eventText('packets', { packets } satisfies Packets);
  }

  #portOf({ port }: StreamClient): number | undefined {
    return port ?? this.#shown.telemetry.all.at(0)?.id;
  }
}
