import { checkOptions } from '@vio/native/internal';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '@vio/rings';
import {
  VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  VHOST_USER_PROTOCOL_F_STATUS,
  maxAuthKeyBytes,
  maxCipherKeyBytes,
} from '../../wire/index.ts';
import { type DeviceType, rawRingFeatures } from '../type/device-type.ts';
import type { CryptoEngine } from './crypto-engine.ts';
import { mostDataBytes } from './crypto-options.ts';
import { VIRTIO_CRYPTO_S_HW_READY, VIRTIO_ID_CRYPTO } from './numbers.ts';

/** What a crypto device is like. */
export interface CryptoDeviceOptions {
  /** Data queues, default 1. The control queue is the frontend's. */
  readonly queues?: number;
  /** Bytes of the longest request, as `cryptoCreate` is told. Default 1 MiB. */
  readonly maxDataBytes?: number;
}

const configBytes = 56;

/**
 * The type of a virtio-crypto device, for `VhostDriver.register`: data queues only, and sessions by messages. QEMU's
 * cryptodev-vhost-user says neither which features its guest's driver has taken, nor that rings are enabled, nor how far the driver
 * is: all of that is taken as its guests have it.
 * @throws VioError VIO_OPTION_UNKNOWN, VIO_OPTION_VALUE; a number of queues that there cannot be is refused by `VhostDriver.register`
 */
export function cryptoDeviceType(engine: CryptoEngine, options: CryptoDeviceOptions = {}): DeviceType {
  checkOptions('cryptoDeviceType', options, { queues: true, maxDataBytes: true });
  const { queues = 1 } = options;
  const maxDataBytes = mostDataBytes(options);
  const { capabilities } = engine;
  return {
    name: 'crypto',
    id: VIRTIO_ID_CRYPTO,
    queues,
    features: rawRingFeatures,
    protocolFeatures: VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
    unsaid: {
      features: VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX,
      enable: true,
      withoutProtocol: VHOST_USER_PROTOCOL_F_STATUS,
    },
    config: () => {
      const view = new DataView(new ArrayBuffer(configBytes));
      const words = [
        [VIRTIO_CRYPTO_S_HW_READY, queues, capabilities.services],
        [capabilities.ciphers, 0, capabilities.hashes, capabilities.macs, 0, capabilities.aeads],
        [maxCipherKeyBytes, maxAuthKeyBytes, capabilities.akciphers],
      ].flat();
      words.forEach((word, i) => view.setUint32(4 * i, word, true));
      view.setBigUint64(4 * words.length, BigInt(maxDataBytes), true);
      return new Uint8Array(view.buffer);
    },
  };
}
