export * from './control/index.ts';
export { Capture, type CaptureOptions, type Watched } from './capture/capture.ts';
export type { CaptureSource } from './capture/capture-format.ts';
export { type PortCaptureOptions, watchedQueues } from './capture/port-capture.ts';
export * from './device/index.ts';
export * from './feature-bits.ts';
export { type BurstTap, showTo } from './frames/burst-tap.ts';
export type { FrameOptions } from './frames/frame-options.ts';
export { type FrameRules, checkMtu, maxMtu, minMtu } from './frames/frame-rules.ts';
export { rarpFrame } from './frames/rarp.ts';
export { VLAN_PRESENT } from './frames/vlan.ts';
export { type HeaderBytes, hashOffset, headerSize, numBuffersOffset } from './header.ts';
export { type Measured, prometheusContentType, prometheusText } from './metrics/prometheus.ts';
export { InternetChecksum, completeChecksum } from './offload/checksum.ts';
export { checksumFrom, completePacket, exchangeWord } from './offload/complete.ts';
export { HeaderCodec } from './offload/header-codec.ts';
export { Segmenter } from './offload/segmenter.ts';
export { toTransmitMetadata } from './offload/transmit-metadata.ts';
export {
  type OffloadOptions,
  checkOffloads,
  controlledOffloads,
  hasRxOffloads,
  hasTxOffloads,
  offloadFeatureBits,
  segmentationFeatureBits,
  offloadFeatures,
  pathOffloads,
} from './offload/offload-features.ts';
export {
  HDR_F_DATA_VALID,
  HDR_F_NEEDS_CSUM,
  HDR_F_RSC_INFO,
  HDR_GSO_ECN,
  HDR_GSO_NONE,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  HDR_GSO_UDP,
  HDR_GSO_UDP_L4,
  PacketOffloads,
} from './offload/packet-offloads.ts';
export { PacketBurst } from './packet-burst.ts';
export {
  type PathCallback,
  type PathChoice,
  type PathEngine,
  type PathInput,
  type PathName,
  electPaths,
  pathLogLine,
  pathLogLines,
} from './paths.ts';
export {
  type PcapFile,
  type PcapPacket,
  linkTypeEthernet,
  pcapFileHeader,
  pcapRecord,
  readPcap,
  writePcap,
} from './pcap/pcap.ts';
export { type NamedRingDump, NetPort, type NetPortParts } from './port/net-port.ts';
export type {
  BrokenQueue,
  FailedAttempt,
  LinkState,
  NetPortEvents,
  Reconnected,
} from './port/port-events.ts';
export type { ReadOptions } from './port/packet-reader.ts';
export { type SendOptions, maxFrameBytes } from './port/packet-writer.ts';
export { PacketCopier } from './port/packet-copier.ts';
export { RxInterrupt } from './port/rx-interrupt.ts';
export type { UntilPacketsOptions, UntilPacketsSyncOptions } from './port/rx-wait.ts';
export { type QueuePairHandle, WorkerPort } from './port/worker-port.ts';
export { createQueuePair, type QueuePair, type QueuePairOptions } from './queue/queue-pair.ts';
export { RxQueue } from './queue/rx-queue.ts';
export { type NetQueueOptions, type Notifier, TxQueue } from './queue/tx-queue.ts';
export {
  QueueStats,
  type DropReason,
  type QueueCounterName,
  type QueueEventName,
  queueCounterNames,
  queueEventNames,
  rxEventNames,
  txCounterNames,
  txEventNames,
} from './stats.ts';
export * from './rss/index.ts';
