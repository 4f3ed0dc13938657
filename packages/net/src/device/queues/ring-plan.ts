import { VioError } from '@vio/native';
import { ringFeatures } from '@vio/rings';
import { checkRingSize } from '@vio/rings/internal';
import { ControlQueue } from '../../control/control-queue.ts';
import type { ChosenFeatures } from '../features/choose-features.ts';
import { type MemoryPlan, type RingSizes, planMemory } from '../memory/memory-plan.ts';
import type { NetDevice } from '../net-device.ts';
import type { PortOptions } from '../port-options.ts';

/** Descriptors of a control queue where the device leaves a choice: commands go one by one. */
const controlSize = 16;

/** What rings a port has. */
export interface RingPlan {
  readonly layout: MemoryPlan;
  /** The control queue behind all the queues the device has, used or not (virtio 1.4, section 5.1.2); undefined: no ring. */
  readonly control: { readonly index: number; readonly size: number } | undefined;
  /** The device's own way of being kicked is used. It goes with the device, and stays in this thread. */
  readonly ownKicks: boolean;
  /** Rings that are of another size than was asked for. */
  readonly warnings: readonly VioError[];
}

/**
 * Asks the device for the size of every ring, and plans the memory. Sizes may differ: a legacy device dictates each of them.
 * @throws VioError VIO_RING_SIZE for what no ring can have, VIO_QUEUE_SIZE when a ring of another size is not wanted, VIO_POOL_SIZE,
 *   and those of the device
 */
export function planRings(
  device: NetDevice,
  { features, control: route }: Pick<ChosenFeatures, 'features' | 'control'>,
  options: PortOptions,
  maxPairs: number,
): RingPlan {
  const { queues = 1, queueSize, memory, detached = false, exactQueueSize = false } = options;
  const { rxQueueSize = queueSize, txQueueSize = queueSize } = options;
  const rings = ringFeatures(features);
  const { format } = rings;
  const warnings: VioError[] = [];
  const sizeOf = (queue: number, wanted: number | undefined): number => {
    if (wanted !== undefined) checkRingSize(rings, wanted);
    const size = device.queueSize({ queue, format, wanted });
    if (wanted === undefined || size === wanted) return size;
    const other = otherSize(queue, wanted, size);
    if (exactQueueSize) throw other;
    warnings.push(other);
    return size;
  };
  const sizes: RingSizes[] = Array.from({ length: queues }, (_, pair) => ({
    rx: sizeOf(2 * pair, rxQueueSize),
    tx: sizeOf(2 * pair + 1, txQueueSize),
  }));
  const index = 2 * maxPairs;
  const control =
    route === 'ring'
      ? { index, size: device.queueSize({ queue: index, format, enough: controlSize }) }
      : undefined;
  const controlBytes = control === undefined ? 0 : ControlQueue.bytes(rings, control.size);
  return {
    layout: planMemory(sizes, rings, { ...memory, controlBytes }),
    control,
    ownKicks: !detached && options.reconnect === undefined,
    warnings,
  };
}

function otherSize(queue: number, wanted: number, size: number): VioError {
  const name = `${queue % 2 === 0 ? 'receive' : 'transmit'} queue ${queue >>> 1}`;
  return new VioError(`${name} has ${size} descriptors: the device does not have ${wanted}`, {
    code: 'VIO_QUEUE_SIZE',
    remedy: `ask for ${size}, or give the device larger rings (QEMU: rx_queue_size, tx_queue_size)`,
  });
}
