import { type SharedMemory, type UnixListener, VioError, type WaitOptions, cpuFeatures } from '@vio/native';
import {
  ControlQueue,
  type FrameRules,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MTU,
  createQueuePair,
  electPaths,
  type Notifier,
  pairSwitch,
  pathOffloads,
  randomMac,
} from '@vio/net';
import { BufferPool, type QueueFault, Region, ringFeatures } from '@vio/rings';
import type { VhostTransport } from '@vio/vhost';
import { type VirtioUserConfig, type VirtioUserOptions, parseConfig } from './config.ts';
import { type Connected, connectBackend, reachAgain } from './connect.ts';
import { ControlRing } from './control/control-ring.ts';
import { PortControl } from './control/port-control.ts';
import { frameRules } from './frame-rules.ts';
import { type OpenOptions, checkOpenOptions } from './open-options.ts';
import { logLines } from './log-lines.ts';
import { InflightKeeper } from './inflight-keeper.ts';
import { queuePairHandles } from './detach.ts';
import { type MemoryPlan, planMemory } from './memory-plan.ts';
import { type Negotiated, negotiate } from './negotiate.ts';
import { PortMemory } from './port-memory.ts';
import type { ReconnectOptions, ReconnectParts } from './reconnect.ts';
import { type StartPlan, startDevice } from './start.ts';
import { VirtioUserPort } from './virtio-user-port.ts';
import { VringEvents } from './vrings.ts';

/** Milliseconds. */
const defaultTimeout = 5000;

/**
 * Opens a virtio-user port: reaches the backend, negotiates, shares memory, starts the rings and fills the receive
 * queues. A failure at any step gives everything back.
 * @param devargs `net_virtio_user0,path=/tmp/vhost.sock,queues=2`, or the same as an object
 * @throws VioError VIO_DEVARGS_*, VIO_SOCKET_*, VIO_VHOST_*, VIO_FEATURE_MISSING, VIO_QUEUE_COUNT, VIO_MTU, VIO_TIMEOUT,
 *   VIO_ABORTED, VIO_OPTION_UNKNOWN
 */
export async function openVirtioUser(
  devargs: string | VirtioUserOptions,
  options: OpenOptions = {},
): Promise<VirtioUserPort> {
  checkOpenOptions(options);
  const config = parseConfig(devargs, options.descriptors);
  const wait = { timeout: options.timeout ?? defaultTimeout, signal: options.signal };
  const connected = await connectBackend(config, wait, options);
  try {
    return await buildPort(config, connected, options, wait);
  } catch (error) {
    connected.transport.close();
    connected.listener?.close();
    throw error;
  }
}

async function buildPort(
  config: VirtioUserConfig,
  connected: Connected,
  options: OpenOptions,
  wait: WaitOptions,
): Promise<VirtioUserPort> {
  const { transport, listener } = connected;
  await transport.setOwner(wait);
  const offered = await transport.getFeatures(wait);
  const { hasConfig } = transport;
  const { offloads, eventIdx } = options;
  const negotiated = negotiate(config, offered, offloads, {
    hasConfig,
    eventIdx,
    ringReset: transport.kind === 'vhost-user',
    controlQueue: options.controlQueue,
    mtu: options.mtu !== undefined,
    canSetMtu: transport.canSetMtu,
  });
  await checkQueueCount(config, transport, wait);
  const paths = electPaths({
    features: negotiated.features,
    vectorized: config.vectorized,
    offloads: pathOffloads(options.offloads ?? {}, { vlanStrip: options.vlan?.strip ?? false }),
    cpu: cpuFeatures(),
  });
  const { log, portNumber = 0 } = options;
  for (const line of logLines({ negotiated, paths, vectorized: config.vectorized, port: portNumber }))
    log?.(line);

  const events = new VringEvents(2 * config.queues);
  const inflight = keepsInflight(config, options) ? new InflightKeeper() : undefined;
  let memory: PortMemory | null = null;
  let control: PortControl | null = null;
  try {
    const device = await transport.getNetConfig?.(wait);
    const mac = config.mac?.toLowerCase() ?? device?.mac ?? randomMac();
    const rules = frameRules(options, device?.mtu);
    const rings = ringFeatures(negotiated.features);
    const controlBytes = negotiated.control === 'ring' ? ControlQueue.bytes(rings) : 0;
    const layout = planMemory(
      config.queues,
      config.queue_size,
      rings,
      controlBytes,
      options.memory?.maxBuffers,
    );
    memory = PortMemory.create(layout, options.memory ?? {});
    const { parts, pairs } = buildQueues(
      config,
      negotiated,
      { mac, rules, paths },
      layout,
      memory.shared,
      events,
      kicks(transport, events, reconnectOf(config, options)),
      (broken) => port?.emit('broken', broken),
    );
    const ring =
      negotiated.control === 'ring'
        ? await makeControlRing(negotiated, layout, parts.region, transport, wait)
        : null;
    control = new PortControl({
      kind: negotiated.control,
      features: negotiated.features,
      queues: config.queues,
      ring,
      rss: device?.rss,
      listener: pairSwitch(parts.tx),
    });
    const plan: StartPlan = {
      transport,
      features: negotiated.backend,
      memory,
      rings: pairs.flatMap((pair) => [pair.rx.queue, pair.tx.queue]),
      pairs: options.detached === true ? [] : pairs,
      events,
      inflight,
      mtu: (negotiated.backend & VIRTIO_NET_F_MTU) === 0n ? undefined : options.mtu,
      control: ring,
    };
    let port: VirtioUserPort | null = null;
    await startDevice(plan, wait);
    await control.begin(transport, mac, wait);
    const own = { ...parts, paths, control: control.commands, missing: negotiated.missing };
    if (options.detached === true) {
      const handles = queuePairHandles(own, layout, config.queue_size, memory.shared, events);
      const none = { rx: [], tx: [], rxCall: [] };
      return new VirtioUserPort({ ...own, ...none }, handles, config, plan, listener, null);
    }
    const reconnection = reconnectParts(config, listener, options, {
      pairs,
      control,
      mac: () => port?.mac ?? mac,
    });
    port = new VirtioUserPort(own, [], config, plan, listener, reconnection);
    for (const rx of port.rx) rx.fill();
    return port;
  } catch (error) {
    control?.[Symbol.dispose]();
    events[Symbol.dispose]();
    inflight?.[Symbol.dispose]();
    memory?.[Symbol.dispose]();
    throw error;
  }
}

/** The backend's control queue lies behind all the queues it has, used or not (virtio 1.4, section 5.1.2). */
async function makeControlRing(
  { features }: Negotiated,
  { controlOffset }: MemoryPlan,
  region: Region,
  transport: VhostTransport,
  wait: WaitOptions,
): Promise<ControlRing> {
  const pairs = (features & VIRTIO_NET_F_MQ) === 0n ? 1 : await transport.queueNum(wait);
  return new ControlRing({
    index: 2 * pairs,
    region,
    offset: controlOffset,
    features: ringFeatures(features),
  });
}

type Paths = ReturnType<typeof electPaths>;

/** Rings, pool and queues over the shared memory. */
function buildQueues(
  config: VirtioUserConfig,
  negotiated: Negotiated,
  { mac, rules, paths }: { readonly mac: string; readonly rules: FrameRules; readonly paths: Paths },
  plan: MemoryPlan,
  memory: SharedMemory,
  events: VringEvents,
  kick: readonly Notifier[],
  onBroken: (broken: { direction: 'rx' | 'tx'; queue: number; fault: QueueFault }) => void,
) {
  const { features } = negotiated;
  const region = new Region(memory.buffer);
  const { headroom, dataRoom } = plan;
  const pool = new BufferPool({
    region,
    offset: plan.poolOffset,
    count: plan.poolBuffers,
    capacity: plan.maxBuffers,
    headroom,
    dataRoom,
  });
  const pairs = plan.rxOffset.map((rxOffset, pair) =>
    createQueuePair({
      features,
      region,
      pool,
      paths,
      size: config.queue_size,
      rxOffset,
      txOffset: plan.txOffset[pair],
      rxKick: kick[2 * pair],
      txKick: kick[2 * pair + 1],
      rules,
      onBroken: (direction, fault) => onBroken({ direction, queue: pair, fault }),
    }),
  );
  const parts = {
    features,
    mac,
    rules,
    region,
    pool,
    rx: pairs.map((pair) => pair.rx),
    tx: pairs.map((pair) => pair.tx),
    rxCall: pairs.map((_, pair) => events.call[2 * pair]),
  };
  return { parts, pairs };
}

/** What kicks each ring. A doorbell goes with its transport, so a port that may get another one does without. */
function kicks(
  transport: VhostTransport,
  { kick }: VringEvents,
  reconnect: boolean | ReconnectOptions,
): readonly Notifier[] {
  if (reconnect !== false) return kick;
  return kick.map((event, index) => transport.doorbell?.(index) ?? event);
}

/** Whether the port looks for another backend: a server does unless it is told not to. */
function reconnectOf({ server }: VirtioUserConfig, { reconnect = server }: OpenOptions) {
  return reconnect;
}

function reconnectParts(
  config: VirtioUserConfig,
  listener: UnixListener | null,
  options: OpenOptions,
  device: Pick<ReconnectParts, 'pairs' | 'control' | 'mac'>,
): ReconnectParts | null {
  const reconnect = reconnectOf(config, options);
  if (reconnect === false) return null;
  return {
    ...device,
    timeout: options.timeout ?? defaultTimeout,
    options: { ...(config.server ? { minDelay: 0 } : {}), ...(reconnect === true ? {} : reconnect) },
    connect: (wait) => reachAgain(config, listener, wait, options),
  };
}

/** Notes of what is in flight are for another backend to go on with. */
function keepsInflight(config: VirtioUserConfig, options: OpenOptions): boolean {
  const reconnect = reconnectOf(config, options);
  if (options.detached === true || reconnect === false) return false;
  return reconnect === true || (reconnect.inflight ?? true);
}

async function checkQueueCount(
  config: VirtioUserConfig,
  transport: VhostTransport,
  wait: WaitOptions,
): Promise<void> {
  if (config.queues === 1) return;
  const most = await transport.queueNum(wait);
  if (config.queues <= most) return;
  throw new VioError(`queues=${config.queues}, but the backend serves at most ${most} queue pairs`, {
    code: 'VIO_QUEUE_COUNT',
    remedy: `use queues=${most} or less, or configure more queues at the backend`,
  });
}
