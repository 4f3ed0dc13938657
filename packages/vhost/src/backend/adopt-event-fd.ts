import { readlinkSync } from 'node:fs';
import { EventFd, closeFd, quoted } from '@vio/native';
import { vhostError } from './vhost-error.ts';

/**
 * Replaces one of a ring's eventfds by the one that came with a message, or by none. Takes the descriptors.
 * @throws VioError VIO_VHOST_FD for anything but an eventfd: a signal is 8 bytes, which nothing else should get
 */
export function adoptEventFd(previous: EventFd | null, fds: readonly number[]): EventFd | null {
  if (fds.length === 0) {
    previous?.close();
    return null;
  }
  const [fd] = fds;
  const target = linkOf(fd);
  if (target !== 'anon_inode:[eventfd]') {
    closeFd(fd);
    throw vhostError('FD', `an eventfd was expected, ${quoted(target)} came`);
  }
  previous?.close();
  return EventFd.adopt(fd);
}

function linkOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}
