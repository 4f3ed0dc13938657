import type { PortRates } from '../shared/rates.ts';
import { element, say } from './dom.ts';
import { count, short } from './numbers.ts';

interface Tile {
  readonly title: string;
  readonly large: (rates: PortRates) => string;
  readonly small: (rates: PortRates) => string;
}

const tiles: readonly Tile[] = [
  { title: 'received', large: ({ rx }) => short(rx.pps, 'pps'), small: ({ rx }) => short(rx.bps, 'bit/s') },
  { title: 'sent', large: ({ tx }) => short(tx.pps, 'pps'), small: ({ tx }) => short(tx.bps, 'bit/s') },
  {
    title: 'packets at a time',
    large: ({ batch }) => (batch === undefined ? '–' : batch.toFixed(1)),
    small: () => 'in a burst',
  },
  {
    title: 'notifications',
    large: ({ kicks }) => `${short(kicks)}/s`,
    small: ({ calls }) => `${short(calls)} interrupts/s`,
  },
  {
    title: 'drops',
    large: ({ drops }) => `${short(drops)}/s`,
    small: ({ dropped }) => `${count(dropped)} in all`,
  },
];

/** The first numbers that somebody looks for. */
export class Tiles {
  readonly #cells: {
    readonly tile: Tile;
    readonly large: Element;
    readonly small: Element;
    readonly root: Element;
  }[];

  constructor(place: Element) {
    this.#cells = tiles.map((tile) => {
      const [large, small] = [element('strong', {}, '–'), element('small', {}, ' ')];
      const root = element('article', { class: 'card tile' }, element('h2', {}, tile.title), large, small);
      place.append(root);
      return { tile, large, small, root };
    });
  }

  show(rates: PortRates | undefined): void {
    for (const { tile, large, small, root } of this.#cells) {
      say(large, rates === undefined ? '–' : tile.large(rates));
      say(small, rates === undefined ? ' ' : tile.small(rates));
      if (tile.title === 'drops') root.classList.toggle('bad', rates !== undefined && rates.drops > 0);
    }
  }
}
