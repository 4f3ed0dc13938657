import { byId, element, say } from './dom.ts';
import { count, short } from './numbers.ts';

interface Row {
  readonly root: HTMLElement;
  readonly value: HTMLElement;
  readonly rate: HTMLElement;
}

/** Every counter of a port, as it is. */
export class CountersTable {
  readonly #body = byId('counters', HTMLTableElement).tBodies[0];
  readonly #find = byId('find', HTMLInputElement);
  readonly #zeroes = byId('zeroes', HTMLInputElement);
  readonly #rows = new Map<string, Row>();
  #stats: Readonly<Record<string, number>> = {};

  constructor() {
    this.#find.addEventListener('input', () => this.#choose());
    this.#zeroes.addEventListener('change', () => this.#choose());
  }

  show(stats: Readonly<Record<string, number>>, rates: ReadonlyMap<string, number> | undefined): void {
    this.#stats = stats;
    for (const [name, { root }] of this.#rows) {
      if (name in stats) continue;
      root.remove();
      this.#rows.delete(name);
    }
    for (const [name, value] of Object.entries(stats)) {
      const row = this.#rows.get(name) ?? this.#add(name);
      say(row.value, count(value));
      row.value.dataset['value'] = String(value);
      const rate = rates?.get(name) ?? 0;
      say(row.rate, rate === 0 ? '' : short(rate));
    }
    this.#choose();
  }

  #add(name: string): Row {
    const [value, rate] = [
      element('td', { class: 'number', 'data-counter': name }),
      element('td', { class: 'number' }),
    ];
    const root = element('tr', {}, element('td', {}, element('code', {}, name)), value, rate);
    this.#body.append(root);
    const row = { root, value, rate };
    this.#rows.set(name, row);
    return row;
  }

  #choose(): void {
    const wanted = this.#find.value.trim().toLowerCase();
    for (const [name, { root }] of this.#rows) {
      root.hidden = !name.includes(wanted) || (!this.#zeroes.checked && this.#stats[name] === 0);
    }
  }
}
