// The messages as applications have them: the table of requests, a codec for each row, and what payloads are. Connections, fuzzers and
// backends have the rest of the room.
export { backendRequests } from './backend-requests.ts';
export type { ConfigPart } from './config-payload.ts';
export type {
  AsymmetricSession,
  CryptoSessionLayout,
  CryptoSessionReply,
  CryptoSessionRequest,
  SymmetricSession,
} from './crypto-session.ts';
export { frontendRequests } from './frontend-requests.ts';
export type { Inflight, IotlbMessage, LogArea, MemoryRegion } from './memory-payloads.ts';
export {
  type Header,
  type Message,
  decodeHeader,
  decodeRequest,
  encodeRequest,
  headerBytes,
} from './message.ts';
export type { MessageStream } from './message-stream.ts';
export type { PayloadCodec } from './payload-codec.ts';
export type { FdRange, Request } from './request.ts';
export type { VringAddress, VringArea, VringFd, VringState } from './vring-payloads.ts';
