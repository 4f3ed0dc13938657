import { VioError } from '@vio/native';
import { fileKind } from '@vio/native/internal';
import type { BackendKind } from './backend-kind.ts';
import { numbersOf, vdpaMajor } from './device-numbers.ts';

/**
 * Descriptors that somebody else has opened, instead of what `path` and `iface` name: a process without privileges can
 * be given what it needs. The port works on duplicates: they stay the caller's, who closes them once the port is
 * open, as the kernel holds on to a port's memory while one of them is open.
 */
export interface BackendDescriptors {
  /** A Unix stream socket that is connected to a vhost-user backend. */
  readonly socket?: number;
  /** Queues of one tap, one for each queue pair, with a virtio-net header (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR). */
  readonly tap?: readonly number[];
  /** /dev/vhost-net, opened once for each queue pair. Default, with a tap: `path` is opened. */
  readonly vhostNet?: readonly number[];
  /** /dev/vhost-vdpa-N. */
  readonly vdpa?: number;
}

/** A character device by its major and minor number. */
const vhostNetDevice = { major: 10, minor: 238 };

/** Which backend the descriptors belong to. @throws VioError VIO_DESCRIPTORS when to none, or to several */
export function backendOf({ socket, tap, vhostNet, vdpa }: BackendDescriptors): BackendKind {
  const kinds: BackendKind[] = [];
  if (socket !== undefined) kinds.push('vhost-user');
  if (tap !== undefined || vhostNet !== undefined) kinds.push('vhost-kernel');
  if (vdpa !== undefined) kinds.push('vhost-vdpa');
  if (kinds.length === 1) return kinds[0];
  throw wrong(
    kinds.length === 0 ? 'there are no descriptors' : `there are descriptors for ${kinds.join(' and ')}`,
    'give either socket, or tap and vhostNet, or vdpa',
  );
}

/**
 * That the descriptors are open, of the right kinds and as many as queue pairs. A tap is looked at by who uses it.
 * @throws VioError VIO_DESCRIPTORS
 */
export function checkDescriptors(descriptors: BackendDescriptors, pairs: number): void {
  const { socket, tap, vhostNet, vdpa } = descriptors;
  if (socket !== undefined && fileKind(socket) !== 'socket') throw wrongKind(socket, 'a Unix socket');
  for (const [name, fds] of Object.entries({ tap, vhostNet })) {
    if (fds === undefined) continue;
    if (fds.length !== pairs || new Set(fds).size !== pairs) {
      throw wrong(
        `${name}: ${new Set(fds).size} descriptors for ${pairs} queue pairs`,
        'open one for each queue pair, or change queues',
      );
    }
  }
  for (const fd of vhostNet ?? []) {
    const { major, minor } = numbersOf(fd);
    if (major !== vhostNetDevice.major || minor !== vhostNetDevice.minor)
      throw wrongKind(fd, '/dev/vhost-net');
  }
  for (const fd of tap ?? [])
    if (fileKind(fd) !== 'character-device') throw wrongKind(fd, 'a queue of a tap');
  if (vdpa !== undefined && numbersOf(vdpa).major !== vdpaMajor()) throw wrongKind(vdpa, '/dev/vhost-vdpa-N');
}

function wrongKind(fd: number, expected: string): VioError {
  const kind = fileKind(fd);
  return wrong(
    `descriptor ${fd} is ${kind === 'missing' ? 'not open' : `a ${kind}`}, not ${expected}`,
    `give an open descriptor of ${expected}`,
  );
}

function wrong(what: string, remedy: string): VioError {
  return new VioError(what, { code: 'VIO_DESCRIPTORS', remedy });
}
