import type { UnixStream } from '@vio/native';

/** Messages of one connection that are handled before others get their turn. */
export const messagesPerTurn = 64;

/** What a connection needs of its socket. */
export type MessageStream = Pick<UnixStream, 'receive' | 'send' | 'onReadable' | 'pauseReading' | 'close'>;
