import {
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_RARP,
} from '../../wire/index.ts';
import { type DeviceShape, typedShape } from '../type/device-shape.ts';
import { type DeviceType, checkDeviceType } from '../type/device-type.ts';
import type { DeviceOffer } from './device-offer.ts';
import { unsupportedFeatures, unsupportedProtocol } from './offer-errors.ts';
import { supportedProtocolFeatures } from '../protocol/handlers.ts';

const ofNetworkCards = VHOST_USER_PROTOCOL_F_NET_MTU | VHOST_USER_PROTOCOL_F_RARP;

/** What frontends are offered of a device that is no network card. */
export class TypeOffer implements DeviceOffer {
  readonly #type: DeviceType;
  #features: bigint;
  readonly #supportedProtocol: bigint;
  #protocolFeatures: bigint;

  /** @throws VioError VIO_VHOST_DEVICE_TYPE, VIO_OPTION_UNKNOWN */
  constructor(type: DeviceType) {
    checkDeviceType(type);
    this.#type = type;
    this.#features = type.features;
    const config = type.config === undefined ? VHOST_USER_PROTOCOL_F_CONFIG : 0n;
    const without = ofNetworkCards | config | (type.unsaid?.withoutProtocol ?? 0n);
    this.#supportedProtocol = (supportedProtocolFeatures & ~without) | (type.protocolFeatures ?? 0n);
    this.#protocolFeatures = this.#supportedProtocol;
  }

  get features(): bigint {
    return this.#features;
  }

  set features(mask: bigint) {
    const beyond = mask & ~this.#type.features;
    if (beyond !== 0n) throw unsupportedFeatures(beyond, this.#type.features);
    this.#features = mask;
  }

  setProtocolFeatures(mask: bigint): void {
    const beyond = mask & ~this.#supportedProtocol;
    if (beyond !== 0n) throw unsupportedProtocol(beyond, this.#supportedProtocol);
    this.#protocolFeatures = mask;
  }

  check(): void {}

  deviceFeatures(): bigint {
    return this.#features | VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES;
  }

  protocolFeatures(): bigint {
    return this.#protocolFeatures;
  }

  shape(): DeviceShape {
    return typedShape(this.#type);
  }
}
