import { VioError } from '@vio/native';
import { Telemetry, type TelemetryServer, serveTelemetry } from '@vio/net';
import type { Output } from '../output.ts';
import { version } from '../version.ts';
import { usualTelemetryPath } from './places.ts';

/** Whether and where a command can be looked at while it runs. */
export interface TelemetryChoice {
  /** Path of the socket; false: none; undefined: where `vio top` looks for it. */
  readonly telemetry?: string | false;
  readonly telemetryWritable?: true;
}

/** Telemetry of a command: what it shows, and the socket, which there may be none of. */
export interface CommandTelemetry extends AsyncDisposable {
  readonly telemetry: Telemetry;
}

/**
 * Serves what a command shows, unless that is not wanted. Where nobody has named a place, a command does without.
 * @throws VioError VIO_SOCKET_* where somebody has
 */
export function serveCommandTelemetry(
  command: string,
  { telemetry: place, telemetryWritable }: TelemetryChoice,
  output: Output,
): CommandTelemetry {
  const telemetry = new Telemetry();
  const server = place === false ? undefined : serve(command, telemetry, place, telemetryWritable === true);
  if (typeof place === 'string') output.record('telemetry', { path: place }, `telemetry on ${place}`);
  return {
    telemetry,
    async [Symbol.asyncDispose]() {
      await server?.[Symbol.asyncDispose]();
    },
  };
}

function serve(
  command: string,
  telemetry: Telemetry,
  place: string | undefined,
  writable: boolean,
): TelemetryServer | undefined {
  return atPlace(command, place, (path) =>
    serveTelemetry(path, telemetry, { writable, about: { version: `vio ${version}`, command } }),
  );
}

/**
 * Serves a command where the user said, or else at its usual place, if that can be had.
 * @throws VioError VIO_SOCKET_* where somebody has named the place
 */
export function atPlace<T>(
  command: string,
  place: string | undefined,
  serveAt: (path: string) => T,
): T | undefined {
  const path = place ?? usualTelemetryPath(command);
  if (path === undefined) return undefined;
  try {
    return serveAt(path);
  } catch (error) {
    if (place === undefined && VioError.is(error)) return undefined;
    throw error;
  }
}
