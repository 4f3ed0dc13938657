import { type OptionNames, type WaitOptions, checkOptions, cpuFeatures } from '@vio/native';
import {
  type FrameRules,
  NetControl,
  pairSwitch,
  type Notifier,
  type OffloadOptions,
  VIRTIO_NET_F_MTU,
  checkOffloads,
  electPaths,
  maxMtu,
  pathLogLines,
  randomMac,
  pathOffloads,
  unknownSpeed,
} from '@vio/net';
import { VIRTIO_F_ACCESS_PLATFORM, ringFeatures } from '@vio/rings';
import { openAccess } from '../access/open-access.ts';
import type { DmaMemory, PciAccess } from '../access/pci-access.ts';
import { driverOk, fail, negotiateWith, resetDevice } from '../device/life-cycle.ts';
import { openDevice } from '../device/open-device.ts';
import type { VirtioPciDevice } from '../device/virtio-pci-device.ts';
import { chooseFeatures } from './choose-features.ts';
import { type PciConfig, parsePciDevargs } from './devargs.ts';
import { PortInterrupts } from './interrupts.ts';
import { readNetConfig } from './net-config.ts';
import { PciPort, stopDevice } from './pci-port.ts';
import { checkPairs, chooseQueueSize } from './queue-size.ts';
import { type QueuePlan, buildQueues, dataRoom, planControl, queueBytes } from './queues.ts';

/** How a PCI port is opened, besides what its devargs say. */
export interface PciPortOptions extends WaitOptions {
  /** Milliseconds for a reset of the device, and for each of the first commands it is given. Default 3000. */
  readonly timeout?: number;
  /** Queue pairs. Default 1. */
  readonly queues?: number;
  /** Descriptors of each ring. Default: the device's size, at most 1024. */
  readonly queueSize?: number;
  /** Work left to the device, and taken from it. Default: none. */
  readonly offloads?: OffloadOptions;
  /** Feature bits that are not to be taken although they are offered, as RING_PACKED. */
  readonly without?: bigint;
  /**
   * Milliseconds between two looks at a device that does not interrupt, whether it is still there and what its link
   * does. Default 1000.
   */
  readonly watchInterval?: number;
  /** Gets one line per decision: paths as DPDK logs them, why none is vectorised, and interrupts that are fewer than wished. */
  readonly log?: (line: string) => void;
  /** Number of the port in log lines. Default 0. */
  readonly portNumber?: number;
}

const optionNames: OptionNames<PciPortOptions> = {
  timeout: true,
  signal: true,
  queues: true,
  queueSize: true,
  offloads: true,
  without: true,
  watchInterval: true,
  log: true,
  portNumber: true,
};

const defaultWatchInterval = 1000;

/**
 * Opens a port on a PCI device that is bound to vfio-pci, to uio_pci_generic or to no driver at all: resets it,
 * negotiates, sets up its queues and fills the receive queues. A failure at any step gives everything back.
 * @param device devargs as `0000:00:04.0,vectorized=1`, or a device that is reached in another way
 * @throws VioError VIO_PCI_*, VIO_VFIO_*, VIO_DEVARGS_*, VIO_FEATURE_MISSING, VIO_FEATURES_REFUSED, VIO_QUEUE_COUNT,
 *   VIO_OFFLOAD_UNAVAILABLE, VIO_HUGEPAGES, VIO_PAGEMAP_PERMISSION, VIO_MEMORY_LOCK, VIO_CONTROL_*, VIO_ABORTED, VIO_OPTION_UNKNOWN
 */
export async function openPciPort(
  device: string | PciAccess,
  options: PciPortOptions = {},
): Promise<PciPort> {
  checkOptions('openPciPort', options, optionNames);
  const config = parsePciDevargs(typeof device === 'string' ? device : device.address);
  const access = typeof device === 'string' ? openAccess(config.address) : device;
  let registers: VirtioPciDevice | null = null;
  let prepared: Prepared;
  try {
    registers = openDevice(access);
    await resetDevice(registers, options);
    prepared = prepare(access, registers, options);
  } catch (error) {
    if (registers !== null) failQuietly(registers);
    access.close();
    throw error;
  }
  return start(prepared, config, options);
}

/** A device whose features are decided, with memory for its queues. */
interface Prepared {
  readonly access: PciAccess;
  readonly device: VirtioPciDevice;
  readonly plan: QueuePlan;
  readonly dma: DmaMemory;
}

function prepare(access: PciAccess, device: VirtioPciDevice, options: PciPortOptions): Prepared {
  const features = negotiate(device, options);
  checkOffloads(options.offloads ?? {}, features);
  const plan = planQueues(device, features, options);
  const dma = access.allocateDma(queueBytes(plan), (features & VIRTIO_F_ACCESS_PLATFORM) === 0n);
  return { access, device, plan, dma };
}

/** Sets up the queues and has the device begin. If that fails, the device is reset and everything given back. */
async function start(prepared: Prepared, config: PciConfig, options: PciPortOptions): Promise<PciPort> {
  const { access, device, plan, dma } = prepared;
  const { features, pairs } = plan;
  let interrupts: PortInterrupts | null = null;
  let port: PciPort | null = null;
  try {
    const paths = elect(features, config, options);
    const said = readNetConfig(device, features);
    const { mtu = null } = said;
    const rules: FrameRules = mtu === null || mtu > maxMtu ? {} : { mtu };
    const queues = buildQueues(
      plan,
      dma,
      { rules, paths },
      (index, nextAvailable) => survivor(device.notifier(index, nextAvailable), (cause) => port?.lose(cause)),
      (direction, queue, fault) => port?.emit('broken', { direction, queue, fault }),
    );
    interrupts = new PortInterrupts(access.interrupts, device, pairs);
    if (interrupts.mode !== 'per-queue') options.log?.(interruptLine(access, interrupts.mode, pairs));
    for (const { index, place } of queues.placed) device.enableQueue(index, place);
    driverOk(device);
    const tx = queues.pairs.map((pair) => pair.tx);
    const control = new NetControl({
      features,
      channel: queues.control,
      maxPairs: pairs,
      onQueuePairs: pairSwitch(tx),
      rss: said.rss,
    });
    const { timeout, signal } = options;
    if (pairs > 1) await control.setQueuePairs(pairs, { timeout, signal });
    const abilities = {
      speed: config.speed === unknownSpeed ? (said.speed ?? unknownSpeed) : config.speed,
      duplex: said.duplex ?? 'unknown',
      mtu,
      rss: said.rss ?? null,
    };
    port = new PciPort(
      {
        features,
        paths,
        rules,
        mac: said.mac ?? randomMac(),
        region: queues.region,
        pool: queues.pool,
        rx: queues.pairs.map(({ rx }) => rx),
        tx,
        control,
        rxCall: interrupts.rxCall,
      },
      {
        access,
        device,
        dma,
        interrupts,
        pairs: queues.pairs,
        placed: queues.placed,
        controlQueue: queues.control,
        watchInterval: options.watchInterval ?? defaultWatchInterval,
      },
      abilities,
    );
    for (const rx of port.rx) rx.fill();
    return port;
  } catch (error) {
    interrupts?.[Symbol.dispose]();
    await stopDevice({ access, device, dma });
    throw error;
  }
}

function elect(
  features: bigint,
  { vectorized }: PciConfig,
  { offloads = {}, log, portNumber = 0 }: PciPortOptions,
) {
  const paths = electPaths({
    features,
    vectorized,
    offloads: pathOffloads(offloads),
    cpu: cpuFeatures(),
  });
  for (const line of pathLogLines(paths, vectorized, portNumber)) log?.(line);
  return paths;
}

function negotiate(
  device: VirtioPciDevice,
  { queues = 1, offloads = {}, without = 0n }: PciPortOptions,
): bigint {
  return negotiateWith(device, (offered) =>
    chooseFeatures({
      offered,
      modern: device.modern,
      pairs: queues,
      offloads,
      without,
      mtu: device.modern ? (readNetConfig(device, offered & VIRTIO_NET_F_MTU).mtu ?? null) : null,
      room: dataRoom,
    }),
  );
}

function planQueues(device: VirtioPciDevice, features: bigint, options: PciPortOptions): QueuePlan {
  const { queues: pairs = 1, queueSize } = options;
  const { maxPairs: devicePairs } = readNetConfig(device, features);
  checkPairs(pairs, devicePairs);
  const sizes = Array.from({ length: 2 * pairs }, (_, index) => device.queueSize(index));
  const { format } = ringFeatures(features);
  const size = chooseQueueSize({ sizes, wanted: queueSize, resizable: device.resizable, format });
  return { features, pairs, size, control: planControl(device, features, devicePairs) };
}

/** Notifications come out of a poll loop, which a device that was pulled out must not throw into. */
function survivor(notifier: Notifier, onFailure: (cause: unknown) => void): Notifier {
  return {
    signal: () => {
      try {
        notifier.signal();
      } catch (cause) {
        onFailure(cause);
      }
    },
  };
}

function interruptLine(
  { address, interrupts }: PciAccess,
  mode: PortInterrupts['mode'],
  pairs: number,
): string {
  const how = {
    'per-queue': '',
    shared: 'one vector serves all queues and the link',
    line: 'INTx serves all queues and the link',
    polled: 'the queues are looked at every millisecond, the link every second',
  }[mode];
  return `virtio: ${address} has ${interrupts.vectors} usable MSI-X vectors of ${pairs + 1} wished: ${how}`;
}

function failQuietly(device: VirtioPciDevice): void {
  try {
    fail(device);
  } catch {
    // The device does not answer; the caller is told what came first.
  }
}
