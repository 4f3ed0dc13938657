import { type UnixListener, VioError } from '@vio/native';
import { quoted } from '@vio/native/internal';
import {
  type LineRequest,
  LineServer,
  type LineServerOptions,
  aboutProcess,
  callTelemetry,
  isTelemetryMethod,
} from '@vio/net/internal';
import { switchError } from '../config/errors.ts';
import { type ControlTarget, methods } from './methods.ts';

/** Of the switch's thread, what all clients may cost: that ports come and go is its work, and more than a look at it. */
const controlShare = 0.1;

/** A control socket that is served; disposing of it ends that. */
export interface ControlSocket extends AsyncDisposable {
  /** Of the socket. */
  readonly path: string;
}

/**
 * Serves the control socket of a switch, for this user alone: `{"id": 1, "method": "show-ports"}` is answered by
 * `{"id": 1, "result": [...]}` or by `error`, a line each; and the methods of telemetry, such as `/ethdev/list`, which only look.
 * @param place path of a socket that is made, or one that listens already, as systemd passes them
 * @throws VioError VIO_SOCKET_*
 */
export function serveControl(place: string | UnixListener, target: ControlTarget): ControlSocket {
  const about = { ...aboutProcess(), command: 'switch' };
  const options: LineServerOptions = {
    code: 'VIO_SWITCH_CONTROL',
    share: controlShare,
    answer: (request) =>
      isTelemetryMethod(request.method)
        ? callTelemetry(target.fabric.telemetry, request, about, false)
        : control(target, request),
  };
  return typeof place === 'string' ? LineServer.listen(place, options) : LineServer.adopt(place, options);
}

async function control(target: ControlTarget, { method: name, params }: LineRequest): Promise<unknown> {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) {
    throw switchError(
      'CONTROL',
      `there is no method ${quoted(name)}`,
      `the methods are ${Object.keys(methods).join(', ')}, and those that the method / names`,
    );
  }
  try {
    return await method(target, params);
  } catch (error) {
    if (VioError.is(error)) throw error;
    throw new VioError(error instanceof Error ? error.message : String(error), {
      code: 'VIO_SWITCH_INTERNAL',
      remedy: 'this is a defect of vio: please report it',
      cause: error,
    });
  }
}
