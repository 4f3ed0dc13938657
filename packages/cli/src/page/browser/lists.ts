import type { TelemetryEvent } from '@vio/net';
import { decodeFrame } from '../shared/decode-frame.ts';
import type { Happened, SeenPacket } from '../shared/messages.ts';
import { byId, element } from './dom.ts';
import { count, timeOfDay } from './numbers.ts';

/** Entries that stay on the page. */
const mostEvents = 200;
const mostPackets = 64;

/** What happened, the newest first. */
export class EventList {
  readonly #place = byId('events', HTMLOListElement);
  #last = 0;

  add({ lost, events }: Happened): void {
    if (lost > 0) this.#place.prepend(element('li', { class: 'hint' }, `${count(lost)} events are not told`));
    for (const event of events) {
      // A stream that was opened anew begins with what is known.
      if (event.number <= this.#last) continue;
      this.#last = event.number;
      this.#place.prepend(entry(event));
    }
    while (this.#place.children.length > mostEvents) this.#place.lastElementChild?.remove();
  }

  /** Another process has taken the place of the one before. */
  clear(): void {
    this.#last = 0;
    this.#place.replaceChildren();
  }
}

function entry({ time, port, type, data }: TelemetryEvent): HTMLElement {
  const when = new Date(time);
  const said = data === undefined || data === null ? '' : JSON.stringify(data);
  return element(
    'li',
    {},
    element('time', { datetime: when.toISOString() }, timeOfDay(time)),
    ' ',
    element('b', { class: type === 'broken' ? 'bad' : '' }, type),
    ` port ${port} `,
    element('code', {}, said.length > 400 ? `${said.slice(0, 400)}…` : said),
  );
}

/** The last packets of a sample, the newest first. */
export class PacketList {
  readonly #place = byId('packets', HTMLElement);
  readonly #rows = element('tbody');

  constructor() {
    const titles = ['time', 'queue', 'source', 'destination', 'protocol', 'bytes', 'what'];
    const head = element(
      'tr',
      {},
      ...titles.map((title) => element('th', title === 'bytes' ? { class: 'number' } : {}, title)),
    );
    this.#table = element('table', {}, element('thead', {}, head), this.#rows);
    this.clear();
  }

  readonly #table: HTMLElement;

  /** Says that there are none to be seen. */
  off(): void {
    this.#place.replaceChildren(
      element(
        'p',
        { class: 'hint' },
        'Packets are shown when the program is started with ',
        element('code', {}, '--page-packets'),
        ': whoever reaches this address sees them then.',
      ),
    );
  }

  clear(): void {
    this.#rows.replaceChildren();
    this.#place.replaceChildren(
      element('p', { class: 'hint' }, 'No packet has passed since the page was opened.'),
    );
  }

  add(packets: readonly SeenPacket[]): void {
    if (packets.length > 0 && !this.#table.isConnected) {
      const hint = 'A sample: at most 32 packets for each look, their first 128 bytes.';
      this.#place.replaceChildren(element('p', { class: 'hint' }, hint), this.#table);
    }
    for (const packet of packets) this.#rows.prepend(row(packet));
    while (this.#rows.children.length > mostPackets) this.#rows.lastElementChild?.remove();
  }
}

function row({ time, queue, direction, bytes, data }: SeenPacket): HTMLElement {
  const frame = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const { source, destination, protocol, info } = decodeFrame(frame);
  const at = `${timeOfDay(time)}.${String(Math.floor(time % 1000)).padStart(3, '0')}`;
  const cells = [
    at,
    `${direction === 'in' ? '→' : '←'} ${queue}`,
    source,
    destination,
    protocol,
    count(bytes),
    info,
  ];
  const made = element(
    'tr',
    { class: direction },
    ...cells.map((text, i) => element('td', i === 5 ? { class: 'number' } : {}, text)),
  );
  made.title = hex(frame);
  return made;
}

function hex(frame: Uint8Array): string {
  const bytes = Array.from(frame, (byte) => byte.toString(16).padStart(2, '0'));
  return Array.from({ length: Math.ceil(bytes.length / 16) }, (_, i) =>
    bytes.slice(16 * i, 16 * i + 16).join(' '),
  ).join('\n');
}
