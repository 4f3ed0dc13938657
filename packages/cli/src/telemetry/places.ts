import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where the sockets of running programs are looked for: those of this user, and of the system. */
export function telemetryDirectories(): string[] {
  return [...new Set([ownDirectory(), '/run/vio'])];
}

/** Where this user's programs have theirs. */
function ownDirectory(): string {
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) return '/run/vio';
  const { XDG_RUNTIME_DIR: runtime } = process.env;
  return runtime === undefined || runtime === '' ? join(tmpdir(), `vio-${uid}`) : join(runtime, 'vio');
}

/**
 * The socket of this process, as `/run/vio/run-4711.sock`; its directory is made.
 * @param command as in `run`
 * @returns undefined where this user can have none, or none that others could not put theirs in place of
 */
export function usualTelemetryPath(command: string): string | undefined {
  return ownPlace(`${command}-${process.pid}.sock`);
}

const controlName = 'switch.sock';

/** The control socket of a switch that was told of none; its directory is made. @returns undefined where this user can have none */
export function usualControlPath(): string | undefined {
  return ownPlace(controlName);
}

/** The control socket of the switch that runs, where nobody has named one. */
export function knownControlPath(): string {
  const places = telemetryDirectories().map((directory) => join(directory, controlName));
  return places.find((place) => existsSync(place)) ?? join('/run/vio', controlName);
}

function ownPlace(name: string): string | undefined {
  const directory = ownDirectory();
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(directory);
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) return undefined;
  } catch {
    return undefined;
  }
  return join(directory, name);
}
