import type { UnixStream } from '@vio/native';

/** What a connection needs of its socket. */
export type MessageStream = Pick<UnixStream, 'receive' | 'send' | 'onReadable' | 'pauseReading' | 'close'>;
