import {
  ControlQueue,
  type FrameRules,
  type Notifier,
  type QueuePair,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MQ,
  createQueuePair,
  type electPaths,
} from '@vio/net';
import {
  BufferPool,
  type DriverQueue,
  type QueueFault,
  Region,
  driverQueueBytes,
  poolStride,
  ringFeatures,
} from '@vio/rings';
import type { DmaMemory } from '../access/pci-access.ts';
import type { QueuePlace, VirtioPciDevice } from '../device/virtio-pci-device.ts';
import { noQueue } from './queue-size.ts';

/** Bytes of a receive buffer. */
export const dataRoom = 2048;
/** 128 bytes for the application and 12 for the virtio-net header, so that the header begins a cache line. */
const headroom = 128 + 12;
const leastBuffers = 1024;
/** Descriptors of a control queue where the device leaves a choice: commands go one by one. */
const controlSize = 16;

/** Queues of a port, before there is memory for them. */
export interface QueuePlan {
  readonly features: bigint;
  readonly pairs: number;
  /** Descriptors of each ring. */
  readonly size: number;
  /** The control queue's number and descriptors; null: the device has none. */
  readonly control: { readonly index: number; readonly size: number } | null;
}

type Ring = Pick<DriverQueue, 'size' | 'addresses'>;

/** Queue i of a device and where it is, for telling it. */
export interface PlacedQueue {
  readonly index: number;
  readonly place: QueuePlace;
}

export interface PortQueues {
  readonly region: Region;
  readonly pool: BufferPool;
  readonly pairs: readonly QueuePair[];
  readonly control: ControlQueue | null;
  readonly placed: readonly PlacedQueue[];
}

/** The control queue follows all the pairs the device has, used or not (virtio 1.4, 5.1.2). */
export function planControl(
  device: VirtioPciDevice,
  features: bigint,
  devicePairs: number,
): QueuePlan['control'] {
  if ((features & VIRTIO_NET_F_CTRL_VQ) === 0n) return null;
  const index = (features & VIRTIO_NET_F_MQ) === 0n ? 2 : 2 * devicePairs;
  const most = device.queueSize(index);
  if (most === 0) throw noQueue(index);
  return { index, size: device.resizable ? Math.min(most, controlSize) : most };
}

/** Bytes of memory for all of it: the rings, the control queue, the pool. */
export function queueBytes(plan: QueuePlan): number {
  return poolOffset(plan) + buffers(plan) * poolStride(dataRoom, headroom);
}

const ringBytes = ({ features, size }: QueuePlan): number => driverQueueBytes(ringFeatures(features), size);
const controlOffset = (plan: QueuePlan): number => 2 * plan.pairs * ringBytes(plan);
const buffers = ({ pairs, size }: QueuePlan): number => pairs * Math.max(4 * size, leastBuffers);

function poolOffset(plan: QueuePlan): number {
  const { control, features } = plan;
  const bytes = control === null ? 0 : ControlQueue.bytes(ringFeatures(features), control.size);
  return controlOffset(plan) + Math.ceil(bytes / 4096) * 4096;
}

/** How packets go: what is done to every frame, and the elected paths. */
export interface Traffic {
  readonly rules: FrameRules;
  readonly paths: ReturnType<typeof electPaths>;
}

/**
 * Builds the queues in memory that is all zero.
 * @param notify notifies a queue by its number
 */
export function buildQueues(
  plan: QueuePlan,
  dma: DmaMemory,
  { rules, paths }: Traffic,
  notify: (index: number, nextAvailable: () => number) => Notifier,
  onBroken: (direction: 'rx' | 'tx', queue: number, fault: QueueFault) => void,
): PortQueues {
  const { features, size } = plan;
  const region = new Region(dma.buffer, 0, dma.buffer.byteLength, dma.address);
  const pool = new BufferPool({ region, offset: poolOffset(plan), count: buffers(plan), dataRoom, headroom });
  const ring = ringBytes(plan);
  const pairs: QueuePair[] = [];
  for (let pair = 0; pair < plan.pairs; pair++) {
    pairs.push(
      createQueuePair({
        features,
        region,
        pool,
        paths,
        size,
        rxOffset: 2 * pair * ring,
        txOffset: (2 * pair + 1) * ring,
        rxKick: notify(2 * pair, () => pairs[pair].rx.queue.nextAvailable()),
        txKick: notify(2 * pair + 1, () => pairs[pair].tx.queue.nextAvailable()),
        rules,
        onBroken: (direction, fault) => onBroken(direction, pair, fault),
      }),
    );
  }
  const control = buildControl(plan, region, dma.address, notify);
  const rings = pairs.flatMap(({ rx, tx }) => [rx.queue, tx.queue]);
  const placed: { index: number; queue: Ring }[] = rings.map((queue, index) => ({ index, queue }));
  if (control !== null && plan.control !== null) {
    placed.push({ index: plan.control.index, queue: control.ring });
  }
  return {
    region,
    pool,
    pairs,
    control,
    placed: placed.map(({ index, queue }) => at(dma.address, index, queue)),
  };
}

function buildControl(
  plan: QueuePlan,
  region: Region,
  address: bigint,
  notify: (index: number, nextAvailable: () => number) => Notifier,
): ControlQueue | null {
  if (plan.control === null) return null;
  const { index, size } = plan.control;
  const control: ControlQueue = new ControlQueue({
    region,
    offset: controlOffset(plan),
    features: ringFeatures(plan.features),
    size,
    address: Number(address),
    kick: notify(index, () => control.ring.nextAvailable()),
  });
  return control;
}

/** Offsets in the region, as the device's addresses. */
function at(base: bigint, index: number, { size, addresses }: Ring): PlacedQueue {
  const address = (offset: number): bigint => base + BigInt(offset);
  const { descriptors, driver, device } = addresses;
  return {
    index,
    place: { size, descriptors: address(descriptors), driver: address(driver), device: address(device) },
  };
}
