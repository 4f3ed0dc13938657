import { type OptionNames, checkOptions } from '@vio/native/internal';
import type { ListenOptions } from '@vio/native';
import { LineServer } from './line-server.ts';
import { aboutProcess, callTelemetry } from './methods.ts';
import type { Telemetry } from './telemetry.ts';

/** How telemetry is served. */
export interface TelemetryOptions {
  /** Clients may change something, too (`/vio/control`). Default: they may only look. */
  readonly writable?: boolean;
  /** Who may connect. Default: this user (mode 0o600). */
  readonly socket?: Pick<ListenOptions, 'mode' | 'uid' | 'gid'>;
  /** Clients at once. Default 64. */
  readonly maxClients?: number;
  /** What `/info` says besides, such as the command that runs. */
  readonly about?: Readonly<Record<string, unknown>>;
}

const optionNames: OptionNames<TelemetryOptions> = {
  writable: true,
  socket: true,
  maxClients: true,
  about: true,
};

/** Bytes of a request at most. */
const mostRequest = 16 << 10;

/** What is served, and where; disposing of it ends that. */
export interface TelemetryServer extends AsyncDisposable {
  /** Of the socket. */
  readonly path: string;
}

/**
 * Serves telemetry on a Unix socket: a line is a request, `{"id": 1, "method": "/ethdev/xstats", "params": 0}` or DPDK's
 * `/ethdev/xstats,0`, and is answered by a line: `{"id": 1, "result": ...}`, or `error` with `code`, `message`, `remedy` and
 * `retryable`. Whoever connects is told version and process first. All of it together has a hundredth of the thread's time.
 * @throws VioError VIO_SOCKET_*, VIO_OPTION_UNKNOWN
 */
export function serveTelemetry(
  path: string,
  telemetry: Telemetry,
  options: TelemetryOptions = {},
): TelemetryServer {
  checkOptions('serveTelemetry', options, optionNames);
  const { writable = false, socket, maxClients } = options;
  const about = { ...aboutProcess(), ...options.about };
  return LineServer.listen(path, {
    code: 'VIO_TELEMETRY_REQUEST',
    maxRequest: mostRequest,
    greeting: { ...about, max_output_len: mostRequest },
    answer: (request) => callTelemetry(telemetry, request, about, writable),
    ...(socket === undefined ? {} : { socket }),
    ...(maxClients === undefined ? {} : { maxClients }),
  });
}
