import {
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_HOST_NOTIFIER,
  VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
} from '../../wire/index.ts';
import { DeviceConfigSpace } from '../type/device-config.ts';
import { type DeviceShape, netShape } from '../type/device-shape.ts';
import type { VdpaDevice } from '../vdpa/vdpa-device.ts';
import { configSpaceFeatures } from '../vdpa/virtio-features.ts';
import type { DeviceOffer } from './device-offer.ts';

/** What only makes sense with a device that has doorbells. */
const notifierFeatures = VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD | VHOST_USER_PROTOCOL_F_HOST_NOTIFIER;

/** What a vDPA device can have of the conversation with its frontend: this library does all of it. */
export const vdpaProtocolFeatures =
  VHOST_USER_PROTOCOL_F_MQ |
  VHOST_USER_PROTOCOL_F_LOG_SHMFD |
  VHOST_USER_PROTOCOL_F_RARP |
  VHOST_USER_PROTOCOL_F_REPLY_ACK |
  VHOST_USER_PROTOCOL_F_BACKEND_REQ |
  VHOST_USER_PROTOCOL_F_CONFIG |
  VHOST_USER_PROTOCOL_F_RESET_DEVICE |
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |
  VHOST_USER_PROTOCOL_F_STATUS |
  notifierFeatures;

/** What frontends are offered of a network card whose rings a vDPA device works on: what both, library and device, can do. */
export class VdpaOffer implements DeviceOffer {
  readonly #own: DeviceOffer;
  readonly #device: VdpaDevice;

  /** @param own what is offered without the device */
  constructor(own: DeviceOffer, device: VdpaDevice) {
    this.#own = own;
    this.#device = device;
  }

  get features(): bigint {
    return this.#own.features;
  }

  set features(mask: bigint) {
    this.#own.features = mask;
  }

  setProtocolFeatures(mask: bigint): void {
    this.#own.setProtocolFeatures(mask);
  }

  check(): void {
    this.#own.check();
  }

  /** This library logs for devices that do not. */
  deviceFeatures(): bigint {
    const { config, features } = this.#device;
    const ours = VHOST_USER_F_PROTOCOL_FEATURES | VHOST_F_LOG_ALL;
    const space = config === undefined ? 0n : configSpaceFeatures;
    return (this.#own.deviceFeatures() | space) & (features | ours);
  }

  protocolFeatures(): bigint {
    const device = this.#device;
    const own = this.#own.protocolFeatures() | notifierFeatures;
    const without =
      (device.config === undefined ? VHOST_USER_PROTOCOL_F_CONFIG : 0n) |
      (device.migrationDone === undefined ? VHOST_USER_PROTOCOL_F_RARP : 0n);
    const space = device.config === undefined ? 0n : VHOST_USER_PROTOCOL_F_CONFIG;
    return (own | space) & vdpaProtocolFeatures & device.protocolFeatures & ~without;
  }

  shape(taken: () => bigint): DeviceShape {
    const own = this.#own.shape(taken);
    const { queueNum, config } = this.#device;
    const pairs = (): number => Math.min(own.queuePairs, queueNum);
    const space = config === undefined ? own.config : new DeviceConfigSpace(undefined, config);
    return netShape(pairs, space, own.firstRings);
  }
}
