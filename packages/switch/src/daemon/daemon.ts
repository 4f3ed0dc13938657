import { UnixListener, VioError } from '@vio/native';
import { readConfig } from '../config/config-file.ts';
import type { SwitchConfig } from '../config/schema.ts';
import { type ControlSocket, serveControl } from '../control/control-server.ts';
import type { ControlTarget } from '../control/methods.ts';
import { passedSockets } from './activation.ts';
import type { Reloaded, Trouble } from '../switch/views.ts';
import { VioSwitch } from '../switch/vio-switch.ts';
import { notifySystemd, watchdog } from './notify.ts';
import { type StatusPage, StatusServer, type SwitchHealth } from './status-server.ts';

/** What a switch says while it runs. */
export interface DaemonReport {
  /** It switches frames, and can be asked there; undefined: nowhere. */
  ready(where: {
    readonly control: string | undefined;
    readonly http: string | undefined;
    readonly page: string | undefined;
    readonly ports: number;
  }): void;
  /** Another configuration was taken over. */
  reloaded(done: Reloaded): void;
  /** Something went wrong, and everything else goes on. */
  trouble(
    trouble: Trouble | { readonly what: string; readonly code: string; readonly message: string },
  ): void;
}

/** How `runDaemon` runs. */
export interface DaemonOptions {
  /** Path of a configuration file, which is read again at every reload. */
  readonly file: string;
  /** In place of what the file says. */
  readonly override?: Partial<Pick<SwitchConfig, 'control' | 'state' | 'http'>>;
  /** Where the control socket is when nothing else says; where it cannot be there, or another switch has it, there is none. */
  readonly usualControl?: () => string | undefined;
  /** Is told what happens. */
  readonly report: DaemonReport;
  /** Shows its ports in one more way, which ends with it. @param controlled there is a control socket, which shows them as well */
  readonly show?: (fabric: VioSwitch, controlled: boolean) => void;
  /** Makes a page for people, at / of where /health and /metrics are. */
  readonly page?: (fabric: VioSwitch) => Promise<StatusPage>;
  /** Ends it. */
  readonly interrupted: AbortSignal;
}

/**
 * Runs a switch as a service: control socket, /health and /metrics, a reload at SIGHUP. Sockets that systemd passes are used. Resolves
 * when it has ended in good order.
 * @throws VioError when it cannot begin; VIO_SWITCH_THREAD when a thread of it has failed
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { file, override = {}, report, interrupted } = options;
  const passed = passedSockets();
  const read = async (): Promise<SwitchConfig> => ({ ...(await readConfig(file)), ...override });
  const config = await read();
  const failing = new AbortController();
  let failure: VioError | undefined;
  await using running = new Running(
    await VioSwitch.start(config, {
      onTrouble: (trouble) => report.trouble(trouble),
      onFailure: (reason) => {
        failure = reason;
        failing.abort();
      },
    }),
  );
  const { fabric } = running;
  const health = (): Promise<SwitchHealth> => running.health();
  const reload = async (): Promise<Reloaded> => {
    await notifySystemd('RELOADING=1');
    try {
      const done = await fabric.reload(await read());
      report.reloaded(done);
      return done;
    } finally {
      await notifySystemd('READY=1');
    }
  };
  // What systemd has made is in the place of what the configuration says.
  const controlAt =
    passed.control === undefined
      ? config.control
      : UnixListener.adopt(passed.control.fd, passed.control.path);
  const httpAt = passed.http ?? config.http;
  const target = { fabric, reload, health };
  await using control =
    controlAt === undefined
      ? serveIfPossible(options.usualControl?.(), target)
      : serveControl(controlAt, target);
  options.show?.(fabric, control !== undefined);
  await using status =
    httpAt === undefined
      ? undefined
      : await StatusServer.start(httpAt, fabric, health, await options.page?.(fabric));
  const hangup = (): void =>
    void reload().catch((error: unknown) => {
      if (!VioError.is(error)) throw error;
      const { code, message } = error;
      report.trouble({ what: 'the configuration stays as it was', code, message });
    });
  process.on('SIGHUP', hangup);
  const calm = watchdog(() => fabric.turn());
  try {
    const { length } = fabric.ports();
    report.ready({ control: control?.path, http: status?.url, page: status?.page, ports: length });
    await notifySystemd('READY=1');
    await ended(AbortSignal.any([interrupted, failing.signal]));
    calm();
    await notifySystemd('STOPPING=1');
    // Whoever started it starts it again: what is in the rings stays there.
    if (failure !== undefined) throw failure;
  } finally {
    calm();
    process.off('SIGHUP', hangup);
  }
}

/** A switch for as long as it runs. */
class Running implements AsyncDisposable {
  readonly fabric: VioSwitch;
  readonly #started = Date.now();

  constructor(fabric: VioSwitch) {
    this.fabric = fabric;
  }

  async health(): Promise<SwitchHealth> {
    const { fabric } = this;
    const stuck = await fabric.standing();
    return {
      status: stuck.length > 0 ? 'stuck' : fabric.restoring ? 'restoring' : 'ok',
      ...fabric.tally(),
      uptime: Math.round((Date.now() - this.#started) / 1000),
      stuck,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fabric.close();
    // A thread that waits in the kernel ends with its process, for which Node would wait. All the rest is in order by then.
    if (this.fabric.lingers) process.once('exit', () => process.kill(process.pid, 'SIGKILL'));
  }
}

function serveIfPossible(place: string | undefined, target: ControlTarget): ControlSocket | undefined {
  try {
    return place === undefined ? undefined : serveControl(place, target);
  } catch (error) {
    if (VioError.is(error)) return undefined;
    throw error;
  }
}

/** Keeps the process alive until the signal aborts: a switch without ports has nothing else to live for. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 1 << 30);
    const end = (): void => {
      clearInterval(alive);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
