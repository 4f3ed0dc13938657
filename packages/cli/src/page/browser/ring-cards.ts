import type { RingState } from '@vio/net';
import { type SlotState, drawRing, side, strokeWidth } from '../shared/ring-drawing.ts';
import { ringLegend, ringWords, slotsGiven } from '../shared/ring-words.ts';
import { byId, element, say, svgElement } from './dom.ts';
import { count } from './numbers.ts';

const states: readonly SlotState[] = ['used', 'held', 'available', 'free'];

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

  show(ring: RingState): void {
    const { name, size, positions, broken } = ring;
    const { arcs, ticks, driver, device } = drawRing(size, positions);
    for (const [state, arc] of this.#arcs)
      arc.setAttribute('d', arcs.find((run) => run.state === state)?.path ?? '');
    this.#ticks.setAttribute('d', ticks);
    this.#driver.setAttribute('d', driver);
    this.#device.setAttribute('d', device);
    say(this.#name, name);
    say(this.#fill, count(slotsGiven(ring)));
    say(this.#of, `of ${count(size)}`);
    this.#say(ringWords(ring));
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
      this.#legend.replaceChildren(
        ...ringLegend(kind).map(([state, text]) =>
          element('li', {}, element('i', { class: `key ${state}` }), text),
        ),
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
