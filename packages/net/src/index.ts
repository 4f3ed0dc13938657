// What applications and transports use. What only the other packages of vio need is in internal.ts.

// A port, and how to open one on a device.
export { type NamedRingDump, NetPort } from './port/net-port.ts';
export type {
  BrokenQueue,
  FailedAttempt,
  LinkState,
  NetPortEvents,
  PortEmitter,
  Reconnected,
} from './port/port-events.ts';
export type { ReadOptions } from './port/read-options.ts';
export type { SendOptions } from './port/packet-writer.ts';
export { RxInterrupt } from './port/rx-interrupt.ts';
export type { UntilPacketsOptions, UntilPacketsSyncOptions } from './port/rx-wait.ts';
export { type QueuePairHandle, WorkerPort } from './port/worker-port.ts';
export { DevicePort } from './device/device-port.ts';
export type { FeatureWishes } from './device/features/choose-features.ts';
export { openPort } from './device/open-port.ts';
export type {
  CommonPortOptions,
  PortOptions,
  PortReconnect,
  ReconnectOptions,
} from './device/port-options.ts';
export type { VlanOffload } from './device/life/port-operations.ts';
export type { QueueName } from './device/queues/queue-name.ts';

// What a transport implements, and what helps it.
export { DownEvent } from './device/down-event.ts';
export type * from './device/net-device.ts';
export type { ConfigSpace } from './device/config-space.ts';
export {
  type DeviceMemory,
  type MemoryOptions,
  type MemoryRequest,
  sharedMemory,
} from './device/memory/device-memory.ts';

// Queues and their packets.
export { PacketBurst } from './packet-burst.ts';
export { PacketCopier } from './port/packet-copier.ts';
export { RxQueue } from './queue/rx-queue.ts';
export type { Notifier } from './queue/queue-options.ts';
export { TxQueue } from './queue/tx-queue.ts';
export type { FrameOptions } from './frames/frame-options.ts';
export type { FrameRules } from './frames/frame-rules.ts';
export { VLAN_PRESENT } from './frames/vlan.ts';
export { macToBytes } from './frames/mac-address.ts';
export type { Duplex } from './device/link-speed.ts';

// Features, and the paths that follow from them.
export * from './feature-bits.ts';
export {
  type PathCallback,
  type PathChoice,
  type PathEngine,
  type PathInput,
  type PathName,
  electPaths,
} from './paths.ts';

// Offloads.
export { completePacket } from './offload/complete.ts';
export {
  type OffloadOptions,
  offloadFeatureBits,
  segmentationFeatureBits,
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
export { Segmenter } from './offload/segmenter.ts';

// Commands to the device, and receive-side scaling.
export type { ControlCommand, RssConfig, RxMode } from './control/commands.ts';
export type { ControlChannel } from './control/control-channel.ts';
export { NetControl } from './control/net-control.ts';
export {
  HASH_REPORT_IPv4,
  HASH_REPORT_IPv6,
  HASH_REPORT_IPv6_EX,
  HASH_REPORT_NONE,
  HASH_REPORT_TCPv4,
  HASH_REPORT_TCPv6,
  HASH_REPORT_TCPv6_EX,
  HASH_REPORT_UDPv4,
  HASH_REPORT_UDPv6,
  HASH_REPORT_UDPv6_EX,
  HASH_TYPE_IPv4,
  HASH_TYPE_IPv6,
  HASH_TYPE_TCPv4,
  HASH_TYPE_TCPv6,
  HASH_TYPE_UDPv4,
  HASH_TYPE_UDPv6,
  type HashConfig,
  type RssLimits,
} from './rss/hash-types.ts';
export { PacketFlow } from './rss/packet-flow.ts';
export { PacketHasher } from './rss/packet-hasher.ts';

// What is counted and recorded.
export { QueueStats, type DropReason, type QueueCounterName, type QueueEventName } from './stats.ts';
export { type Measured, prometheusText } from './metrics/prometheus.ts';
export { Capture, type CaptureOptions } from './capture/capture.ts';
export type { CaptureSource } from './capture/capture-format.ts';
export type { PortCaptureOptions } from './capture/port-capture.ts';
export { type PcapFile, type PcapPacket, readPcap, writePcap } from './pcap/pcap.ts';
export {
  type Controls,
  type EventFeed,
  type LinkView,
  type ObservablePort,
  type RingState,
  Telemetry,
  type TelemetryEvent,
  type TelemetryOptions,
  type TelemetryServer,
  type TelemetrySource,
  portSource,
  serveTelemetry,
} from './telemetry/index.ts';
