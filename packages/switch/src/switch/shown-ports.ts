import { Telemetry } from '@vio/net';
import { switchPortSource } from './port-source.ts';
import type { TablePort } from './table-port.ts';

interface Shown {
  readonly id: number;
  up: boolean;
  remove(): void;
}

/** The ports of a switch for those who look, once somebody does: each keeps its number while it is there. */
export class ShownPorts {
  readonly #ports: Iterable<TablePort>;
  #telemetry: Telemetry | undefined;
  readonly #shown = new Map<TablePort, Shown>();

  constructor(ports: Iterable<TablePort>) {
    this.#ports = ports;
  }

  /** What there is to be seen, from now on. */
  get telemetry(): Telemetry {
    if (this.#telemetry === undefined) {
      this.#telemetry = new Telemetry();
      for (const port of this.#ports) this.changed(port);
    }
    return this.#telemetry;
  }

  /** A port is there, or somebody has come to it, or has gone. */
  changed(port: TablePort): void {
    const telemetry = this.#telemetry;
    if (telemetry === undefined) return;
    const up = port.connected;
    const shown = this.#shown.get(port);
    if (shown === undefined) this.#shown.set(port, { ...telemetry.add(switchPortSource(port)), up });
    else if (shown.up !== up) {
      shown.up = up;
      telemetry.events.add(shown.id, 'link', { up });
    }
  }

  closed(port: TablePort): void {
    this.#shown.get(port)?.remove();
    this.#shown.delete(port);
  }

  /** Something went wrong at the port of this name. */
  trouble(name: string, what: string, code: string, message: string): void {
    for (const [port, { id }] of this.#shown) {
      if (port.config.name === name) this.#telemetry?.events.add(id, 'warning', { what, code, message });
    }
  }
}
