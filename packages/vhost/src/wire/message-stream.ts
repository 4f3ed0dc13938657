import type { UnixStream } from '@vio/native';

/** Messages of one connection that are handled before others get their turn. */
export const messagesPerTurn = 64;

/** What a connection needs of its socket; one that has the last two costs less. */
export type MessageStream = Pick<UnixStream, 'receive' | 'send' | 'onReadable' | 'pauseReading' | 'close'> &
  Partial<Pick<UnixStream, 'receivePlain' | 'sendNow'>>;

/** Who says what came without descriptors, for many messages at once. */
export type PlainSource = Pick<UnixStream, 'receivePlain'>;
