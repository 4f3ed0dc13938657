import { setTimeout } from 'node:timers/promises';
import { type UnixListener, UnixStream, VioError } from '@vio/native';
import { longestTimer } from '@vio/native/internal';
import { tooMany } from './driver-errors.ts';
import type { Sessions } from './sessions.ts';

/** Milliseconds before somebody is let in again after that failed, most likely for want of descriptors. */
const acceptPause = 10;

/**
 * As a server: lets frontends in until the signal ends it.
 * @param most that may be connected at once
 * @param refused hears of those that were not let in
 */
export async function acceptFrontends(
  listener: UnixListener,
  sessions: Sessions,
  most: number,
  refused: (reason: VioError) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const stream = await listener.accept({ signal });
      if (sessions.count < most) sessions.serve(stream);
      else {
        stream.close();
        refused(tooMany(listener.path, sessions.count));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (VioError.is(error)) refused(error);
      await pause(acceptPause, signal);
    }
  }
}

/** As a client: one connection after the other until the signal ends it. @param retry milliseconds between two attempts */
export async function connectAgain(
  path: string,
  sessions: Sessions,
  retry: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const stream = await UnixStream.connect(path, { signal });
      await new Promise<void>((resolve) => sessions.serve(stream, resolve));
    } catch {
      // Nobody there yet: that is what the next round is for.
    }
    await pause(retry, signal);
  }
}

/** As a client: until there is somebody, and not again. @param retry milliseconds between two attempts */
export async function connectOnce(
  path: string,
  sessions: Sessions,
  retry: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      return sessions.serve(await UnixStream.connect(path, { signal }));
    } catch {
      await pause(retry, signal);
    }
  }
}

/** Keeps the process alive, as a socket does that listens; the signal cuts it short. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return setTimeout(Math.min(milliseconds, longestTimer), undefined, { signal }).catch(() => {});
}
