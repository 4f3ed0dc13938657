import { type Message, frontendRequest } from '../../wire/index.ts';

/** A request as it came. */
export interface ExternMessage {
  /** Its number on the wire. */
  readonly request: number;
  /** Its name; undefined: vhost-user has no such request. */
  readonly name: string | undefined;
  /** Unchecked, but for requests of vhost-user, whose size and protocol feature are right when `after` sees them. */
  readonly payload: Uint8Array;
  /** Descriptors that came along. They belong to the handler that handles the message. */
  readonly fds: readonly number[];
}

/** Undefined: this handler does not handle the message. `handled`: it does, and there is no answer. Bytes: the payload of the answer. */
export type ExternAnswer = undefined | 'handled' | Uint8Array;

/**
 * Handlers of the application around those of this library (rte_vhost_extern_callback_register). A VioError that is thrown
 * refuses the request, and its descriptors are closed; anything else that is thrown ends the connection.
 */
export interface ExternHandlers<D> {
  /** Sees every message first; what it handles this library does not see. */
  before?(device: D, message: ExternMessage): ExternAnswer;
  /**
   * Sees a message that this library has handled (without its descriptors), and may answer it in its place; and one that it does
   * not know (`handled` is false), which is refused unless it is handled here.
   */
  after?(device: D, message: ExternMessage, handled: boolean): ExternAnswer;
}

/** The same for one connection, whose device is known; undefined: there is none. */
export interface BoundExternHandlers {
  readonly before: ((message: ExternMessage) => ExternAnswer) | undefined;
  readonly after: ((message: ExternMessage, handled: boolean) => ExternAnswer) | undefined;
}

export const noExternHandlers: BoundExternHandlers = { before: undefined, after: undefined };

/** @param handlers as they are now @param during runs a callback of the application */
export function bindExternHandlers<D>(
  handlers: ExternHandlers<D>,
  device: D,
  during: <T>(callback: () => T) => T,
): BoundExternHandlers {
  return {
    before:
      handlers.before === undefined
        ? undefined
        : (message) => during(() => handlers.before?.(device, message) ?? undefined),
    after:
      handlers.after === undefined
        ? undefined
        : (message, handled) => during(() => handlers.after?.(device, message, handled) ?? undefined),
  };
}

export function externMessage({ request, payload, fds }: Message): ExternMessage {
  return { request, name: frontendRequest(request)?.name, payload, fds };
}
