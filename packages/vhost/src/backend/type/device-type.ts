import { VioError } from '@vio/native';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import {
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { maxConfigBytes, maxVrings } from '../../wire/index.ts';
import type { ConfigWrite } from './device-config.ts';

/** What frontends of a type do not say, and is done as if they had. */
export interface UnsaidByFrontends {
  /**
   * Features that a driver's rings may have whose frontend accepts none at all. Their driver is called for everything that is
   * used: whether it wants that depends on features. Default: none.
   */
  readonly features?: bigint;
  /** Rings that no SET_VRING_ENABLE has spoken of are enabled. Default false. */
  readonly enable?: boolean;
  /** Protocol features that are not offered, because frontends take them and do not keep to them. Default: none. */
  readonly withoutProtocol?: bigint;
}

/**
 * A virtio device that is no network card: what its application says of it. The application serves its rings
 * (`VhostDevice.rawVring`), and requests that this library does not know (`VhostDriver.externHandlers`).
 */
export interface DeviceType {
  /** For messages, as `block`. */
  readonly name: string;
  /** Number of the type (virtio 1.4, section 5): 2 is a block device. */
  readonly id: number;
  /** Rings, 1 to 256. */
  readonly queues: number;
  /** Device features that are implemented; all are offered until `setFeatures` says less. Those of the rings: `rawRingFeatures`. */
  readonly features: bigint;
  /** Protocol features that the application's own handlers serve, besides those of this library. Default: none. */
  readonly protocolFeatures?: bigint;
  /** What its frontends leave unsaid. Default: nothing. */
  readonly unsaid?: UnsaidByFrontends;
  /** The configuration space, as it is now: at most 256 bytes. Default: there is none. */
  readonly config?: () => Uint8Array;
  /** A driver writes to the configuration space; false: that is not its to write. Default: nothing is. */
  readonly writeConfig?: (write: ConfigWrite) => boolean;
}

const names: OptionNames<DeviceType> = {
  name: true,
  id: true,
  queues: true,
  features: true,
  protocolFeatures: true,
  unsaid: true,
  config: true,
  writeConfig: true,
};

/**
 * What this library does about the rings of any device. IN_ORDER is for devices that complete chains in the order fetched:
 * those may offer it as well.
 */
export const rawRingFeatures =
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_ANY_LAYOUT |
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_F_EVENT_IDX |
  VIRTIO_F_RING_PACKED;

/** @throws VioError VIO_VHOST_DEVICE_TYPE, VIO_OPTION_UNKNOWN */
export function checkDeviceType(type: DeviceType): void {
  checkOptions('a device type', type, names);
  const { id, queues } = type;
  if (!Number.isInteger(id) || id < 2)
    throw wrong(
      `the device type ${id} is none of virtio's`,
      'give the number of a type that is not built in',
    );
  if (!Number.isInteger(queues) || queues < 1 || queues > maxVrings)
    throw wrong(`a device with ${queues} queues cannot be offered`, `offer 1 to ${maxVrings}`);
}

/** The configuration space of a device of this type. */
export class TypedConfig {
  readonly #type: DeviceType;

  constructor(type: DeviceType) {
    this.#type = type;
  }

  space(): Uint8Array {
    return this.#type.config?.().subarray(0, maxConfigBytes) ?? new Uint8Array(0);
  }

  write(what: ConfigWrite): boolean {
    return this.#type.writeConfig?.(what) ?? false;
  }
}

function wrong(message: string, remedy: string): VioError {
  return new VioError(message, { code: 'VIO_VHOST_DEVICE_TYPE', remedy });
}
