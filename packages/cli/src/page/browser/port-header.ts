import type { Look } from '../shared/messages.ts';
import { byId, element, say } from './dom.ts';

/** Which port is seen, how its link is, and whether the program still says something. */
export class PortHeader {
  readonly #ports = byId('ports', HTMLSelectElement);
  readonly #link = byId('link', HTMLElement);
  readonly #live = byId('live', HTMLElement);
  #listed = '';
  #interval = 1000;

  constructor(choose: (port: number) => void) {
    this.#ports.addEventListener('change', () => choose(Number(this.#ports.value)));
  }

  show({ ports, more, port, interval }: Look): void {
    this.#interval = interval;
    const listed = JSON.stringify(ports.map(({ id, name }) => [id, name]));
    if (listed !== this.#listed) {
      this.#listed = listed;
      const options = ports.map(({ id, name }) => element('option', { value: String(id) }, `${id}: ${name}`));
      if (more > 0) options.push(element('option', { disabled: '' }, `and ${more} more`));
      this.#ports.replaceChildren(...options);
    }
    if (port !== undefined) this.#ports.value = String(port.id);
    this.#pill(this.#link, port?.up === true ? 'good' : 'bad', linkText(port));
    this.there(true);
  }

  there(is: boolean): void {
    const seconds = (this.#interval / 1000).toFixed(this.#interval % 1000 === 0 ? 0 : 1);
    this.#pill(this.#live, is ? 'good' : 'bad', is ? `live, every ${seconds} s` : 'not there: trying again');
    document.body.classList.toggle('stale', !is);
  }

  #pill(pill: HTMLElement, state: 'good' | 'bad', text: string): void {
    pill.className = `pill ${state}`;
    say(pill, text);
  }
}

function linkText(port: Look['port']): string {
  if (port === undefined) return 'no port yet';
  const { status, speed, duplex, reason } = port.link;
  if (status === 'DOWN') return reason === undefined ? 'link down' : `link down: ${reason.message}`;
  return speed === undefined ? 'link up' : `link up, ${speed} Mbit/s ${duplex ?? ''}`.trimEnd();
}
