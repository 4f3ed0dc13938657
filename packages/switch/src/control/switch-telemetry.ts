import { type LinkView, Telemetry, type TelemetrySource } from '@vio/net';
import { type LineRequest, LineServer, aboutProcess, callTelemetry } from '@vio/net/internal';
import type { VioSwitch } from '../switch/vio-switch.ts';

/** Bytes of a request at most. */
const mostRequest = 16 << 10;

const about = (): Readonly<Record<string, unknown>> => ({ ...aboutProcess(), command: 'switch' });

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
    return callTelemetry(this.telemetry, request, about(), false);
  }

  /** Serves it on a socket of its own, where nothing can be changed. @throws VioError VIO_SOCKET_* */
  serve(path: string): AsyncDisposable {
    return LineServer.listen(path, {
      code: 'VIO_TELEMETRY_REQUEST',
      maxRequest: mostRequest,
      greeting: { ...about(), max_output_len: mostRequest },
      answer: (request) => this.answer(request),
    });
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
