import { VioError } from '@vio/native';

/** What can be wrong with a message. */
export type MessageFault =
  /** The payload is not as long as this message's. */
  | 'SIZE'
  /** The reply or need_reply bit is wrong, or a reserved one is set. */
  | 'FLAGS'
  /** Not version 1 of the protocol. */
  | 'VERSION'
  /** Too few or too many file descriptors. */
  | 'FDS'
  /** A field of the payload is out of its range. */
  | 'VALUE'
  /** No such request. */
  | 'UNKNOWN'
  /** A message that nobody asked for: another reply, a second one or a late one. */
  | 'UNEXPECTED'
  /** The peer closed in the middle of it. */
  | 'TRUNCATED';

/**
 * A message that breaks the protocol, as a VioError with the code `VIO_VHOST_MESSAGE_` + fault. When it came from
 * the peer the connection cannot go on: the two sides may be out of step.
 */
export function messageError(
  fault: MessageFault,
  message: string,
  field: string,
  found: number | bigint | string,
  allowed: string,
): VioError {
  return new VioError(`${message}: ${field} is ${String(found)}, allowed is ${allowed}`, {
    code: `VIO_VHOST_MESSAGE_${fault}`,
    remedy:
      'the sender of this message breaks the vhost-user protocol: correct or update it, then connect again',
  });
}
