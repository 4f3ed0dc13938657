// What applications and transports use. What only the other packages of vio need is in internal.ts.
export {
  FrontendDevice,
  VhostUserFrontend,
  type VhostUserOptions,
  type VhostUserRequests,
} from './frontend/index.ts';
export type {
  SharedRegion,
  VhostTransport,
  VhostMemorySlots,
  VhostReset,
  VhostStatus,
  VringUserAddresses,
} from './transport.ts';
export { controlFeatures, hashFeatures } from './backend/type/device-features.ts';
export type { ConfigStore, ConfigWrite } from './backend/type/device-config.ts';
export { type DeviceType, type UnsaidByFrontends, rawRingFeatures } from './backend/type/device-type.ts';
export type { NetConfig } from './backend/type/net-config.ts';
export { VhostDevice, untilDevicePackets } from './backend/device/vhost-device.ts';
export type { AsyncChannelOptions, AsyncDevice } from './backend/device/async-device.ts';
export { CopyThread, type CopyThreadOptions } from './backend/async/copy-thread.ts';
export { type DmaOptions, dmaConfigure, dmaUnconfigure } from './backend/async/dma-configure.ts';
export type { DmaEngine } from './backend/async/dma-engine.ts';
export type { Transfers } from './backend/async/transfers.ts';
export type { DeviceConfigView, DeviceView } from './backend/device/device-view.ts';
export type { TranslationCounts } from './backend/iommu/device-iommu.ts';
export type { UntilDevicePacketsOptions } from './backend/device/until-packets.ts';
export type { VringBase, VringInfo } from './backend/vring/vring-info.ts';
export type { RawVring } from './backend/raw/raw-vring.ts';
export {
  cryptoCreate,
  cryptoFetchRequests,
  cryptoFinalizeRequests,
  cryptoFree,
  cryptoPerform,
  cryptoSetZeroCopy,
  cryptoStats,
} from './backend/crypto/crypto-calls.ts';
export type {
  CryptoCapabilities,
  CryptoEngine,
  CryptoEngineSession,
  CryptoOperation,
  CryptoRange,
  CryptoStatus,
} from './backend/crypto/crypto-engine.ts';
export type {
  AeadParameters,
  AkcipherParameters,
  CipherParameters,
  CryptoSessionParameters,
  DigestParameters,
} from './backend/crypto/crypto-parameters.ts';
export { type CryptoDeviceOptions, cryptoDeviceType } from './backend/crypto/crypto-type.ts';
export { nodeCryptoEngine } from './backend/crypto/engine/node-crypto-engine.ts';
export type { CryptoOptions } from './backend/crypto/crypto-options.ts';
export type { CryptoCounts } from './backend/crypto/vhost-crypto.ts';
export * as virtioCrypto from './backend/crypto/numbers.ts';
export type { ExternAnswer, ExternHandlers, ExternMessage } from './backend/protocol/extern-handlers.ts';
export { vdpaProtocolFeatures } from './backend/offer/vdpa-offer.ts';
export type {
  VdpaConfigEvents,
  VdpaDevice,
  VdpaFrontend,
  VdpaNotifyArea,
  VdpaRegion,
  VdpaRing,
  VdpaStats,
  VdpaVfio,
} from './backend/vdpa/vdpa-device.ts';
export type { VhostCallbacks } from './backend/driver/vhost-callbacks.ts';
export type { VhostDriverFlags } from './backend/driver/driver-flags.ts';
export { VhostDriver } from './backend/driver/vhost-driver.ts';
export {
  ReceiveSteering,
  type SteeredDevice,
  type SteeringOptions,
  unwanted,
} from './backend/steering/receive-steering.ts';
export type { DriverSettings } from './backend/control/driver-settings.ts';
export * as wire from './wire/public.ts';
export * from './wire/protocol-features.ts';
