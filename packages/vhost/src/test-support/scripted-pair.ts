import { UnixStream } from '@vio/native';
import { afterEach } from 'vitest';
import { VhostUserFrontend, type VhostUserOptions } from '../frontend/vhost-user-frontend.ts';
import { type BackendScript, ScriptedBackend } from '../testing/index.ts';

/** Closed after each test. */
export const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** A frontend on a backend that has a script. */
export function connected(script: BackendScript = {}, options: VhostUserOptions = {}) {
  const { backend, stream } = ScriptedBackend.pair(script);
  const frontend = VhostUserFrontend.adopt(stream, options);
  open.push(frontend, backend);
  return { backend, frontend };
}

/** A backend that says these bytes as soon as it is asked anything. */
export function answering(bytes: Uint8Array, fds: readonly number[] = []) {
  const [mine, theirs] = UnixStream.pair();
  const frontend = VhostUserFrontend.adopt(theirs);
  open.push(frontend, mine);
  const stop = mine.onReadable(() => {
    stop();
    void mine.send(bytes, fds);
  });
  return frontend;
}

/** What a backend was asked. */
export const names = (backend: ScriptedBackend): string[] => backend.seen.map(({ name }) => name);

/** Resolves when all that was sent without waiting for an answer has been read. */
export const settled = (frontend: VhostUserFrontend): Promise<unknown> => frontend.getVringBase(0);
