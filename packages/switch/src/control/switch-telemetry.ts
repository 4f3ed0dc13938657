import { type LinkView, Telemetry, type TelemetrySource } from '@vio/net';
import { type LineRequest, aboutProcess, callTelemetry, serveLatestTelemetry } from '@vio/net/internal';
import type { VioSwitch } from '../switch/vio-switch.ts';

const about = { command: 'switch' };

/** The ports of a switch for those who only look: each keeps its number while it is there. */
export class SwitchTelemetry {
  readonly #fabric: VioSwitch;
  readonly #telemetry = new Telemetry();
  readonly #shown = new Map<string, ReturnType<Telemetry['add']>>();

  constructor(fabric: VioSwitch) {
    this.#fabric = fabric;
  }

  /** What there is to be seen at this moment. */
  get telemetry(): Telemetry {
    this.#update();
    return this.#telemetry;
  }

  /** @throws VioError VIO_TELEMETRY_* */
  answer(request: LineRequest): unknown {
    return callTelemetry(this.telemetry, request, { ...aboutProcess(), ...about }, false);
  }

  /** Serves it on a socket of its own, where nothing can be changed. @throws VioError VIO_SOCKET_* */
  serve(path: string): AsyncDisposable {
    return serveLatestTelemetry(path, () => this.telemetry, { about });
  }

  #update(): void {
    const names = new Set(this.#fabric.ports().map(({ name }) => name));
    for (const [name, shown] of this.#shown) {
      if (names.has(name)) continue;
      shown.remove();
      this.#shown.delete(name);
    }
    for (const name of names) {
      if (!this.#shown.has(name)) this.#shown.set(name, this.#telemetry.add(this.#source(name)));
    }
  }

  #source(name: string): TelemetrySource {
    const fabric = this.#fabric;
    const link = (): LinkView => ({ status: fabric.port(name).connected ? 'UP' : 'DOWN' });
    return {
      name,
      kind: 'switch port',
      info: () => {
        const { bridge, origin, link: negotiated } = fabric.port(name);
        return { bridge, origin, ...negotiated };
      },
      stats: () => fabric.measured()[name]?.stats() ?? {},
      rings: () => fabric.rings(name),
      link,
      memory: () => ({}),
      dump: () => [],
    };
  }
}
