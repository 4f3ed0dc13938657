import type { PortLook, SeenPath } from '../shared/messages.ts';
import { byId, element } from './dom.ts';

/** The elected paths with their reasons, what stood in the way of others, and what was negotiated. */
export class PathsPanel {
  readonly #place = byId('paths', HTMLElement);
  #shown = '';

  show({ paths, info }: PortLook): void {
    // It hardly ever changes, and somebody may have opened a list.
    const text = JSON.stringify([paths, info]);
    if (text === this.#shown) return;
    this.#shown = text;
    const elected =
      paths === undefined
        ? [element('p', { class: 'hint' }, 'A device of a backend elects no paths: its driver does.')]
        : [...path('Rx', paths.rx), ...path('Tx', paths.tx)];
    this.#place.replaceChildren(...elected, facts(info));
  }
}

function path(direction: string, { path: name, callback, engine, reason, refused }: SeenPath): HTMLElement[] {
  return [
    element(
      'p',
      { class: 'path' },
      element('b', {}, `${direction}: ${name}`),
      ' ',
      element('code', {}, callback),
      ` in ${engine === 'native' ? 'C++' : 'TypeScript'}. ${reason}.`,
    ),
    element(
      'details',
      {},
      element('summary', {}, `${refused.length} others were not elected`),
      element(
        'ul',
        {},
        ...refused.map((other) => element('li', {}, element('b', {}, other.path), `: ${other.reason}`)),
      ),
    ),
  ];
}

function facts(info: Readonly<Record<string, unknown>>): HTMLElement {
  const rows = Object.entries(info).filter(([, value]) => value !== undefined && value !== null);
  const text = (value: unknown): string => {
    if (Array.isArray(value)) return value.join(' ') || 'none';
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
  return element(
    'dl',
    { class: 'facts' },
    ...rows.flatMap(([name, value]) => [
      element('dt', {}, name.replaceAll('_', ' ')),
      element('dd', {}, text(value)),
    ]),
  );
}
