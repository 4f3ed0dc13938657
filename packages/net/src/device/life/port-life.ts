import type { WaitOptions } from '@vio/native';
import type { PortSwitches } from '../../queue/port-switches.ts';
import type { QueuePair } from '../../queue/queue-pair.ts';
import type { PortControl } from '../control/port-control.ts';
import type { PortMemory } from '../memory/port-memory.ts';
import type { DeviceSetup, NetDevice, PlacedQueue } from '../net-device.ts';
import type { PortReconnect } from '../port-options.ts';
import type { VringEvents } from '../queues/vring-events.ts';
import type { InflightKeeper } from './inflight-keeper.ts';

/** What a port is made of, which outlives the devices that serve it one after the other. */
export interface PortLife {
  /** The one that serves it now. */
  device: NetDevice;
  /** Accepted features. */
  readonly accepted: bigint;
  readonly memory: PortMemory;
  readonly events: VringEvents;
  /** The queues have notifiers of the device's own instead of kick eventfds. */
  readonly ownKicks: ReadonlySet<number>;
  readonly pairs: readonly QueuePair[];
  /** The pairs belong to other threads. */
  readonly detached: boolean;
  readonly control: PortControl;
  /** What the queues go by while they run. */
  readonly switches: PortSwitches;
  /** Numbers of the queues that are not started with the port. */
  readonly deferred: readonly number[];
  /** Bytes that a device is told when it starts; undefined: it is not. */
  mtu: number | undefined;
  /** The device is told of changes of the MTU. */
  readonly tellsMtu: boolean;
  /** Bytes of a receive buffer. */
  readonly dataRoom: number;
  readonly inflight: InflightKeeper | undefined;
  /** Undefined: a device that goes is not looked for. */
  readonly reconnect: PortReconnect | undefined;
  /** Milliseconds for each step. */
  readonly timeout: number;
}

/** A virtqueue as it is now. @param index 2n receives, 2n + 1 transmits */
export function placedQueue(life: PortLife, index: number): PlacedQueue {
  const { events, pairs, ownKicks, detached } = life;
  const { rx, tx } = pairs[index >>> 1];
  const { queue } = index % 2 === 0 ? rx : tx;
  return {
    index,
    size: queue.size,
    base: queue.base(),
    addresses: queue.addresses,
    kick: ownKicks.has(index) ? undefined : events.kick[index],
    call: events.call[index],
    // What another thread has taken is not known here.
    waiting: () => index % 2 === 0 && (detached || rx.armInterrupt()),
  };
}

/** Hands everything to the device, and has it run. */
export function startDevice(life: PortLife, device: NetDevice, wait: WaitOptions): Promise<void> {
  const setup: DeviceSetup = {
    memory: life.memory.memory,
    reach: life.memory.reach,
    queues: Array.from({ length: 2 * life.pairs.length }, (_, index) => placedQueue(life, index)),
    control: life.control.ring?.placed,
    mtu: life.mtu,
    inflight: life.inflight,
  };
  return device.start(setup, wait);
}
