import type { DeviceShape } from '../type/device-shape.ts';

/** What frontends that connect from now on are offered. */
export interface DeviceOffer {
  /** Device features, as the application said. Setting throws VIO_VHOST_UNSUPPORTED_FEATURES. */
  features: bigint;
  /** @throws VioError VIO_VHOST_UNSUPPORTED_FEATURES */
  setProtocolFeatures(mask: bigint): void;
  /** @throws VioError VIO_QUEUE_COUNT when what was said does not go together */
  check(): void;
  /** Device features for a frontend that connects now, with bit 30. */
  deviceFeatures(): bigint;
  /** Protocol features for a frontend that connects now. */
  protocolFeatures(): bigint;
  /** The device of a frontend that connects now. @param taken the protocol features it has taken by then */
  shape(taken: () => bigint): DeviceShape;
}
