import { DeviceConfigSpace } from './device-config.ts';
import { type DeviceType, TypedConfig, type UnsaidByFrontends } from './device-type.ts';

/** What its type decides about a device. */
export interface DeviceShape {
  /** Queue pairs of a network card; of other devices 0. */
  readonly queuePairs: number;
  /** What GET_QUEUE_NUM answers. */
  readonly queueNum: number;
  /** Rings that there may be. */
  readonly rings: number;
  /** The application serves the rings itself. */
  readonly raw: boolean;
  /** Rings that have to run before the device does, from 0 on. */
  readonly firstRings: number;
  /** What is done as if its frontend had said so. */
  readonly unsaid: UnsaidByFrontends;
  readonly config: DeviceConfigSpace;
}

/**
 * A network card: two rings per pair, and the control queue, which DPDK's frontend counts as one more.
 * @param pairs offered
 */
export function netShape(pairs: () => number, config = new DeviceConfigSpace(), firstRings = 2): DeviceShape {
  return {
    get queuePairs() {
      return pairs();
    },
    get queueNum() {
      return pairs();
    },
    get rings() {
      return 2 * pairs() + 1;
    },
    raw: false,
    firstRings,
    unsaid: {},
    config,
  };
}

/** A device of another type. */
export function typedShape(type: DeviceType): DeviceShape {
  return {
    queuePairs: 0,
    queueNum: type.queues,
    rings: type.queues,
    raw: true,
    firstRings: 1,
    unsaid: type.unsaid ?? {},
    config: new DeviceConfigSpace(undefined, new TypedConfig(type)),
  };
}
