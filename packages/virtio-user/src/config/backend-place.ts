import type { ListenOptions } from '@vio/native';
import type { BackendDescriptors } from './descriptors.ts';

/** What devargs have no word for. */
export interface BackendPlace {
  /** Path of the network namespace of a tap. */
  readonly netns?: string | undefined;
  /** What is open already. */
  readonly descriptors?: BackendDescriptors | undefined;
  /** Of the socket a server listens on. */
  readonly socket?: SocketOptions | undefined;
}

/**
 * Who may connect to a socket: permission bits, owner and group of its file; default: what the umask leaves, this user's. And
 * how many may wait while another backend is served (`backlog`, default 1).
 */
export type SocketOptions = Pick<ListenOptions, 'mode' | 'uid' | 'gid' | 'backlog'>;
