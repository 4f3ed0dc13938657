import { VioError, type WaitOptions } from '@vio/native';
import { checkOptions, defaultTimeout, shortTimeout } from '@vio/native/internal';
import { VIRTIO_F_NOTIFICATION_DATA, ringFeatures } from '@vio/rings';
import { pairSwitch } from '../control/pair-switch.ts';
import { VIRTIO_NET_F_MQ, VIRTIO_NET_F_MTU } from '../feature-bits.ts';
import { frameRules } from '../frames/frame-options.ts';
import { pathOffloads } from '../offload/offload-features.ts';
import { electPaths } from '../paths.ts';
import { PortSwitches } from '../queue/port-switches.ts';
import type { ConfigSpace } from './config-space.ts';
import { ControlRing } from './control/control-ring.ts';
import { PortControl } from './control/port-control.ts';
import { DevicePort, type DevicePortParts } from './device-port.ts';
import { type ChosenFeatures, chooseFeatures } from './features/choose-features.ts';
import { InflightKeeper } from './life/inflight-keeper.ts';
import { type PortLife, startDevice } from './life/port-life.ts';
import { logLines, memoryLines } from './log-lines.ts';
import { randomMac } from '../frames/mac-address.ts';
import { dataRoom } from './memory/memory-plan.ts';
import { PortMemory } from './memory/port-memory.ts';
import type { NetDevice } from './net-device.ts';
import {
  type PortOptions,
  checkControlQueue,
  checkPortOptions,
  portOptionNames,
  reconnectNames,
} from './port-options.ts';
import { type PortQueues, buildQueues } from './queues/build-queues.ts';
import { queuePairHandles } from './queues/queue-handles.ts';
import { queueNumber } from './queues/queue-name.ts';
import { type RingPlan, planRings } from './queues/ring-plan.ts';
import { VringEvents } from './queues/vring-events.ts';

/**
 * Opens a port on a device, however that is reached: decides features and paths, plans memory and rings, starts the device
 * and fills the receive queues. The device belongs to the port from now on: a failure at any step closes it, and gives
 * everything back.
 * @throws VioError VIO_OPTION_UNKNOWN, VIO_OPTION_VALUE, VIO_FEATURE_MISSING, VIO_FEATURES_REFUSED, VIO_OFFLOAD_UNAVAILABLE,
 *   VIO_QUEUE_COUNT, VIO_RING_SIZE, VIO_QUEUE_SIZE, VIO_MTU, VIO_MEMORY_RANGE, VIO_HUGEPAGES, VIO_MEMORY_LOCK, VIO_MEMORY_SHARE, VIO_CONTROL_*, and those of the
 *   device
 */
export function openPort(device: NetDevice, options: PortOptions = {}): Promise<DevicePort> {
  return openPortAs(device, options, (parts) => new DevicePort(parts));
}

/** The same for transports whose ports say more than a `DevicePort`. @param construct makes the port of its parts @throws as `openPort` */
export async function openPortAs<P extends DevicePort>(
  device: NetDevice,
  options: PortOptions,
  construct: (parts: DevicePortParts) => P,
): Promise<P> {
  /** What gives back what there is, the last first. */
  const undo: (() => Promise<void> | void)[] = [() => device.close()];
  try {
    checkPortOptions('openPort', options, portOptionNames);
    checkControlQueue('openPort', options.controlQueue);
    checkOptions('reconnect', options.reconnect, { ...reconnectNames, connect: true });
    return await build(device, options, construct, undo);
  } catch (error) {
    for (const step of undo.toReversed()) await step();
    throw error;
  }
}

async function build<P extends DevicePort>(
  device: NetDevice,
  options: PortOptions,
  construct: (parts: DevicePortParts) => P,
  undo: (() => Promise<void> | void)[],
): Promise<P> {
  const {
    queues = 1,
    detached = false,
    timeout = defaultTimeout,
    vectorized = false,
    txqFlags = 0,
  } = options;
  const wait = { timeout, signal: options.signal };
  const { chosen, said, maxPairs } = await agree(device, options, wait);
  const { features, accepted } = chosen;
  const paths = electPaths({
    features,
    vectorized,
    txqFlags,
    groupCounters: options.groupCounters,
    offloads: pathOffloads(options.offloads ?? {}, {
      vlanStrip: options.vlan?.strip ?? false,
      vlanInsert: options.vlan?.insert ?? false,
    }),
  });
  const { log, portNumber: number = 0 } = options;
  if (log !== undefined) for (const line of logLines({ chosen, paths, vectorized, port: number })) log(line);
  const mac = options.mac?.toLowerCase() ?? said?.mac ?? randomMac();
  const mtu = (accepted & VIRTIO_NET_F_MTU) === 0n ? undefined : said?.mtu;
  const rules = frameRules(options, mtu);
  const deferred = (options.deferredStart ?? []).map((name) => queueNumber(name, queues));
  const switches = PortSwitches.create(rules, queues, deferred);

  const plan = planRings(device, chosen, options, maxPairs);
  for (const { message } of plan.warnings) log?.(`virtio: port ${number}: ${message}`);
  const memory = PortMemory.create(
    (request) => device.allocate(request),
    plan.layout,
    options.memory,
    accepted,
  );
  undo.push(() => memory[Symbol.dispose]());
  if (log !== undefined) for (const line of memoryLines(memory, number)) log(line);
  const events = new VringEvents(2 * queues);
  undo.push(() => events[Symbol.dispose]());
  const inflight = keepsInflight(options) ? new InflightKeeper() : undefined;
  undo.push(() => inflight?.[Symbol.dispose]());

  let port: P | undefined;
  const ownKicks = new Set<number>();
  const own = plan.ownKicks;
  const built = buildQueues({
    features,
    layout: plan.layout,
    memory: memory.memory,
    switches,
    paths,
    notifier(queue, nextAvailable) {
      const notifier = own ? device.kick(queue, nextAvailable) : undefined;
      if (notifier !== undefined) ownKicks.add(queue);
      return notifier ?? events.kick[queue];
    },
    onBroken: (direction, queue, fault) => port?.emit('broken', { direction, queue, fault }),
  });
  const { pairs } = built;
  const tx = pairs.map((pair) => pair.tx);
  const ring = controlRing(device, chosen, plan, built, memory);
  const control = new PortControl({
    route: chosen.control,
    features,
    queues,
    ring,
    rss: said?.rss,
    ownMac: said?.mac,
    listener: pairSwitch(tx),
  });
  undo.push(() => control[Symbol.dispose]());

  const life: PortLife = {
    device,
    accepted,
    memory,
    events,
    ownKicks,
    pairs,
    detached,
    control,
    switches,
    deferred,
    mtu: (accepted & VIRTIO_NET_F_MTU) === 0n ? undefined : options.mtu,
    tellsMtu: (accepted & VIRTIO_NET_F_MTU) !== 0n && device.mtu !== undefined,
    dataRoom: plan.layout.dataRoom,
    inflight,
    reconnect: detached ? undefined : options.reconnect,
    timeout,
  };
  await startDevice(life, device, wait);
  undo.push(() => device.stop({ timeout: shortTimeout }));
  await control.begin(device, mac, wait);

  const { region, pool } = built;
  const common = { features, mac, paths, switches, region, pool, control: control.commands };
  const handles = detached ? queuePairHandles(common, switches, plan.layout, memory.memory, events) : [];
  const rx = pairs.map((pair) => pair.rx);
  const owned = detached
    ? { rx: [], tx: [], rxCall: [] }
    : { rx, tx, rxCall: rx.map((_, pair) => events.call[2 * pair]) };
  port = construct({
    ...common,
    ...owned,
    handles,
    life,
    speed: options.speed ?? said?.speed,
    duplex: said?.duplex ?? 'unknown',
    deviceMtu: mtu,
    missing: chosen.missing,
    warnings: plan.warnings,
    linkUp: said?.linkUp ?? true,
  });
  for (const queue of port.rx) queue.fill();
  return port;
}

/** What port and device have agreed on. */
interface Agreement {
  readonly chosen: ChosenFeatures;
  /** What the device says of itself; undefined: it says nothing. */
  readonly said: ConfigSpace | undefined;
  /** Queue pairs of the device; asked for only where it matters. */
  readonly maxPairs: number;
}

async function agree(device: NetDevice, options: PortOptions, wait: WaitOptions): Promise<Agreement> {
  const { queues = 1, detached = false, mtu } = options;
  const offered = await device.features(wait);
  const said = await device.config?.read(offered, wait);
  // Whoever kicks cannot say where the ring of another thread is.
  const without = (options.without ?? 0n) | (detached ? VIRTIO_F_NOTIFICATION_DATA : 0n);
  const chosen = chooseFeatures({
    ...options,
    without,
    offered,
    traits: device.traits,
    control: device.control,
    hasConfig: device.config !== undefined,
    ownMtu: mtu,
    tellsMtu: device.mtu !== undefined,
    deviceMtu: said?.mtu,
    room: dataRoom,
  });
  const several = (chosen.accepted & VIRTIO_NET_F_MQ) !== 0n;
  const maxPairs = several ? await device.maxPairs(wait) : 1;
  if (!Number.isInteger(queues) || queues < 1 || queues > maxPairs) throw queueCount(queues, maxPairs);
  await device.accept(chosen.accepted, wait);
  return { chosen, said, maxPairs };
}

function controlRing(
  device: NetDevice,
  { features }: ChosenFeatures,
  { control, layout }: RingPlan,
  { region }: PortQueues,
  { memory }: PortMemory,
): ControlRing | undefined {
  if (control === undefined) return undefined;
  return new ControlRing({
    ...control,
    region,
    address: memory.address,
    offset: layout.controlOffset,
    features: ringFeatures(features),
    notifier: (queue, nextAvailable) => device.kick(queue, nextAvailable),
  });
}

/** Notes of what is in flight are for another device to go on with. */
function keepsInflight({ detached = false, reconnect }: PortOptions): boolean {
  return !detached && reconnect !== undefined && (reconnect.inflight ?? true);
}

function queueCount(queues: number, most: number): VioError {
  return new VioError(`queues=${queues}, but the device has ${most} queue pairs`, {
    code: 'VIO_QUEUE_COUNT',
    remedy: `use queues=${most} or less, or give the device more`,
  });
}
