import { readlinkSync } from 'node:fs';
import { EventFd } from '@vio/native';
import { quoted } from '@vio/native/internal';
import { vhostError } from '../errors/vhost-error.ts';

/**
 * The eventfd that came with a message; undefined: none did. Takes the descriptors. Pipes and sockets do as well: a frontend whose
 * guest wants SIGIO (user-mode Linux), or whose system has no eventfds, sends those.
 * @throws VioError VIO_VHOST_FD for anything else: a signal is 8 bytes, which no file should get
 */
export function adoptEventFd(fds: readonly number[]): EventFd | undefined {
  if (fds.length === 0) return undefined;
  const adopted = EventFd.adopt(fds[0]);
  if (adopted.kind === 'other') {
    const what = quoted(readlinkSync(`/proc/self/fd/${adopted.fd}`));
    adopted.close();
    throw vhostError('FD', `an eventfd, a pipe or a socket was expected, ${what} came`);
  }
  return adopted;
}
