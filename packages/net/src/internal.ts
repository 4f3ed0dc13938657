// What the other packages of vio use besides, and nobody else: it may change in every version.
export type { Watched } from './capture/capture.ts';
export { pcapngBlock, pcapngOption } from './capture/pcapng-blocks.ts';
export { watchedQueues } from './capture/port-capture.ts';
export { type EncodedCommand, decodeCommand, encodeCommand } from './control/codec.ts';
export { VIRTIO_NET_ERR, VIRTIO_NET_OK, mostVlanId, requiredFeatures } from './control/commands.ts';
export { commandRefused } from './control/control-errors.ts';
export { ControlQueue, type ControlQueueOptions } from './control/control-queue.ts';
export { ControlResponder, type ControlResponderOptions } from './control/control-responder.ts';
export type { NetControlOptions, QueuePairsListener } from './control/net-control.ts';
export { pairSwitch } from './control/pair-switch.ts';
export { wholePairs } from './control/whole-pairs.ts';
export {
  type ConfigField,
  configBytes,
  configFields,
  configSpaceBytes,
  configSpaceHead,
  decodeConfigSpace,
  encodeConfigSpace,
} from './device/config-space.ts';
export {
  type Devargs,
  devargFlag,
  devargForms,
  devargInteger,
  devargValueError,
  splitDevargs,
  unknownDevarg,
} from './device/devargs.ts';
export type { DevicePortParts } from './device/device-port.ts';
export * from './device/device-status.ts';
export { networkCard } from './device/device-type.ts';
export { type ConfigHandlers, ConfigWatch } from './device/life/config-watch.ts';
export { isSpeedDevarg, linkSpeeds, speedToReport } from './device/link-speed.ts';
export { openPortAs } from './device/open-port.ts';
export {
  checkControlQueue,
  checkPortOptions,
  commonOptionNames,
  reconnectNames,
} from './device/port-options.ts';
export { be16, be32, putBe16 } from './big-endian.ts';
export { type BurstTap, showTo } from './frames/burst-tap.ts';
export { checkMtu, maxMtu, minMtu } from './frames/frame-rules.ts';
export { isBroadcast, isMac, isMulticast, macBytes, macFromBytes } from './frames/mac-address.ts';
export { rarpFrame } from './frames/rarp.ts';
export { growHead, isTagged, putTag, takeTag } from './frames/vlan-tag.ts';
export { type HeaderBytes, hashOffset, headerSize, numBuffersOffset } from './header.ts';
export { HttpServer } from './metrics/http-server.ts';
export { prometheusContentType } from './metrics/prometheus.ts';
export { InternetChecksum, completeChecksum } from './offload/checksum.ts';
export { checksumFrom, exchangeWord } from './offload/complete.ts';
export { HeaderCodec } from './offload/header-codec.ts';
export { addPseudoHeader, completeIpv4, packetEnd } from './offload/ip-sums.ts';
export {
  checkOffloads,
  controlledOffloads,
  hasRxOffloads,
  hasTxOffloads,
  offloadFeatures,
  pathOffloads,
} from './offload/offload-features.ts';
export { toTransmitMetadata } from './offload/transmit-metadata.ts';
export * from './packet-headers.ts';
export { pathLogLine, pathLogLines } from './paths.ts';
export type { NetPortParts } from './port/net-port.ts';
export { type QueuePair, type QueuePairOptions, createQueuePair } from './queue/queue-pair.ts';
export type { NetQueueOptions } from './queue/queue-options.ts';
export { defaultHashKey, supportedHashTypes } from './rss/hash-types.ts';
export { queueCounterNames, queueEventNames, rxEventNames, txCounterNames, txEventNames } from './stats.ts';
export { jsonValue } from './telemetry/json-value.ts';
export type { LineRequest } from './telemetry/line-request.ts';
export { LineServer, type LineServerOptions } from './telemetry/line-server.ts';
export { aboutProcess, callTelemetry, isTelemetryMethod } from './telemetry/methods.ts';
export { portRings } from './telemetry/port-source.ts';
export { genericStats } from './port/port-stats.ts';
