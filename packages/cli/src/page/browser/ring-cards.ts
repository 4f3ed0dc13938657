import type { RingState } from '@vio/net';
import { type SlotState, drawRing, placeText, side, strokeWidth } from '../shared/ring-drawing.ts';
import { byId, element, say, svgElement } from './dom.ts';
import { count } from './numbers.ts';

const states: readonly SlotState[] = ['used', 'held', 'available', 'free'];

/** What the states mean to whoever looks: a driver cannot see what a device has fetched, nor a device what a driver took back. */
const meaning: Readonly<Record<string, readonly [SlotState | 'driver' | 'device', string][]>> = {
  port: [
    ['held', 'available or in the device’s hands'],
    ['used', 'used, the driver has not taken it back'],
    ['free', 'the driver’s'],
    ['driver', 'what the driver makes available next (outside)'],
    ['device', 'what the device uses next (inside)'],
  ],
  device: [
    ['available', 'available, the device has not fetched it'],
    ['held', 'in the device’s hands'],
    ['free', 'the driver’s, or used'],
    ['driver', 'what the driver makes available next (outside)'],
    ['device', 'what the device uses next (inside)'],
  ],
};

/** A ring on the page, whose parts are kept from one look to the next. */
class RingCard {
  readonly root: HTMLElement;
  readonly #arcs = new Map<SlotState, SVGElement>();
  readonly #ticks = svgElement('path', { class: 'ticks' });
  readonly #driver = svgElement('path', { class: 'driver' });
  readonly #device = svgElement('path', { class: 'device' });
  readonly #fill = svgElement('text', { x: `${side / 2}`, y: '58', class: 'fill' });
  readonly #of = svgElement('text', { x: `${side / 2}`, y: '71', class: 'of' });
  readonly #name = element('h3');
  readonly #words = element('dl');
  readonly #broken = element('p', { class: 'broken', hidden: '' });

  constructor() {
    const svg = svgElement('svg', { viewBox: `0 0 ${side} ${side}`, role: 'img' });
    for (const state of states) {
      const arc = svgElement('path', { class: `arc ${state}`, 'stroke-width': `${strokeWidth}` });
      this.#arcs.set(state, arc);
      svg.append(arc);
    }
    svg.append(this.#ticks, this.#driver, this.#device, this.#fill, this.#of);
    this.root = element('figure', { class: 'ring' }, this.#name, svg, this.#words, this.#broken);
  }

  show({ name, format, size, positions, inUse, broken }: RingState): void {
    const { arcs, ticks, driver, device } = drawRing(size, positions);
    for (const [state, arc] of this.#arcs)
      arc.setAttribute('d', arcs.find((run) => run.state === state)?.path ?? '');
    this.#ticks.setAttribute('d', ticks);
    this.#driver.setAttribute('d', driver);
    this.#device.setAttribute('d', device);
    say(this.#name, name);
    const busy = positions === undefined ? inUse : positions.held + (positions.available ?? 0);
    say(this.#fill, count(busy));
    say(this.#of, `of ${count(size)}`);
    const words: [string, string][] = [['format', format]];
    if (positions !== undefined) {
      words.push(['driver at', placeText(positions.driver)], ['device at', placeText(positions.device)]);
      if (positions.used !== undefined) words.push(['used', count(positions.used)]);
      if (positions.available !== undefined) words.push(['held', count(positions.held)]);
    }
    this.#say(words);
    this.root.classList.toggle('is-broken', broken !== undefined);
    this.#broken.hidden = broken === undefined;
    say(this.#broken, broken === undefined ? '' : `broken: ${broken}`);
  }

  #say(words: readonly [string, string][]): void {
    const text = words.flat();
    const cells = [...this.#words.children];
    if (cells.length !== text.length) {
      this.#words.replaceChildren(
        ...words.flatMap(([term, value]) => [element('dt', {}, term), element('dd', {}, value)]),
      );
      return;
    }
    for (const [i, cell] of cells.entries()) say(cell, text[i]);
  }
}

/** All rings of a port. */
export class RingCards {
  readonly #place = byId('rings', HTMLElement);
  readonly #legend = byId('ring-legend', HTMLElement);
  readonly #cards: RingCard[] = [];
  #kind = '';

  show(kind: string, rings: readonly RingState[]): void {
    if (kind !== this.#kind) {
      this.#kind = kind;
      const entries = meaning[kind] ?? meaning['device'];
      this.#legend.replaceChildren(
        ...entries.map(([state, text]) => element('li', {}, element('i', { class: `key ${state}` }), text)),
      );
    }
    while (this.#cards.length < rings.length) {
      const card = new RingCard();
      this.#cards.push(card);
      this.#place.append(card.root);
    }
    for (const { root } of this.#cards.splice(rings.length)) root.remove();
    for (const [i, ring] of rings.entries()) this.#cards[i].show(ring);
  }
}
