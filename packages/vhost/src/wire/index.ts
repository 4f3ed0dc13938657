export { backendRequest, backendRequests } from './backend-requests.ts';
export { type ConfigPart, maxConfigBytes } from './config-payload.ts';
export {
  type AsymmetricSession,
  type CryptoSessionLayout,
  type CryptoSessionReply,
  type CryptoSessionRequest,
  type SymmetricSession,
  cryptoSession,
  cryptoSessionReply,
  isAsymmetric,
  maxAsymKeyBytes,
  maxAuthKeyBytes,
  maxCipherKeyBytes,
} from './crypto-session.ts';
export { frontendRequest, frontendRequests } from './frontend-requests.ts';
export { sentRequests } from './sent-requests.ts';
export {
  type Inflight,
  type IotlbMessage,
  type LogArea,
  type MemoryRegion,
  iotlbType,
  maxMemoryRegions,
} from './memory-payloads.ts';
export {
  type ExpectedReply,
  type Header,
  type Message,
  checkReplyHeader,
  checkRequestHeader,
  decodeHeader,
  decodeReply,
  decodeRequest,
  encodeAck,
  encodeRaw,
  encodeRawReply,
  encodeReply,
  encodeRequest,
  expectedAck,
  expectedReply,
  headerBytes,
  needsReply,
  refuseFrontend,
} from './message.ts';
export { type MessageFault, messageError } from './message-error.ts';
export {
  MessageReader,
  type MessageSource,
  closeAll,
  maxPayloadBytes,
  isOutOfDescriptors,
  roomMilliseconds,
} from './message-reader.ts';
export { type MessageStream, type PlainSource, messagesPerTurn } from './message-stream.ts';
export type { PayloadCodec } from './payload-codec.ts';
export * from './protocol-features.ts';
export type { FdRange, Request } from './request.ts';
export {
  VHOST_VRING_F_LOG,
  type VringAddress,
  type VringArea,
  type VringFd,
  type VringState,
  maxVringSize,
  maxVrings,
} from './vring-payloads.ts';
