import { VioError } from '@vio/native';
import { fileKind } from '@vio/native/internal';
import { numbersOf, vdpaMajor } from './device-numbers.ts';

/** How a backend is spoken to, which its path tells. */
export type BackendKind = 'vhost-user' | 'vhost-kernel' | 'vhost-vdpa';

/** Major number of miscellaneous devices, /dev/vhost-net among them. */
const miscMajor = 10;

/**
 * As DPDK does: a socket, or nothing yet, is vhost-user; a miscellaneous character device is vhost-kernel; one of the
 * driver vhost-vdpa is that, as are missing files that only such devices can become.
 * @throws VioError VIO_SOCKET_NOT_A_SOCKET for anything else
 */
export function backendKind(path: string): BackendKind {
  const kind = fileKind(path);
  if (kind === 'missing' && /^\/dev\/vhost-vdpa-\d+$/.test(path)) return 'vhost-vdpa';
  if (kind === 'missing' && path === '/dev/vhost-net') return 'vhost-kernel';
  if (kind === 'missing' || kind === 'socket') return 'vhost-user';
  if (kind === 'character-device') {
    const { major } = numbersOf(path);
    if (major === miscMajor) return 'vhost-kernel';
    if (major === vdpaMajor()) return 'vhost-vdpa';
  }
  throw new VioError(`${path} is a ${kind}, not a vhost-user socket or a vhost device`, {
    code: 'VIO_SOCKET_NOT_A_SOCKET',
    remedy: 'give the path of the Unix socket of the backend, /dev/vhost-net or /dev/vhost-vdpa-N',
  });
}
