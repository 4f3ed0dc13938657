import type { VioError } from '@vio/native';
import type { Link } from '../fabric/link.ts';

/** Who wants to know what becomes of the other end of a port. */
export interface EndpointListener {
  /** Somebody is there, or nobody any more. The link of before is over when this is called. */
  linkChanged(link: Link | undefined): void;
  /** It has something to say, or may: it is to be polled. */
  wake(): void;
  /** Something went wrong that nobody waits for. */
  trouble(what: string, reason: Pick<VioError, 'code' | 'message'>): void;
}

/** Whether somebody is at the other end of a port; if not, why: nobody has come yet, or what the kernel's interface is like. */
export type PortState = 'up' | 'waiting' | 'down' | 'no-carrier' | 'missing';

/** How a port is reached: a socket, a tap, an interface, a device. */
export interface Endpoint {
  /** While nobody is there: why. */
  readonly absence: Exclude<PortState, 'up'>;
  /** Begins; resolves when the socket or the interface is there. @throws VioError when it cannot be */
  start(): Promise<void>;
  /** Ends; the listener is told that nobody is there. Idempotent. */
  close(): Promise<void>;
}
