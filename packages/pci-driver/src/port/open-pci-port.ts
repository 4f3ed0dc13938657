import { type WaitOptions, cpuFeatures } from '@vio/native';
import { VIRTIO_NET_F_MTU, createQueuePair, electPaths, pathLogLine, ringFeatures } from '@vio/net';
import {
  BufferPool,
  type DriverQueue,
  Region,
  VIRTIO_F_ACCESS_PLATFORM,
  driverQueueBytes,
  poolStride,
} from '@vio/rings';
import { openAccess } from '../access/open-access.ts';
import type { DmaMemory, PciAccess } from '../access/pci-access.ts';
import { driverOk, fail, negotiateWith, resetDevice } from '../device/life-cycle.ts';
import { openDevice } from '../device/open-device.ts';
import type { VirtioPciDevice } from '../device/virtio-pci-device.ts';
import { chooseFeatures } from './choose-features.ts';
import { type PciConfig, parsePciDevargs } from './devargs.ts';
import { PortInterrupts } from './interrupts.ts';
import { readMac, readMtu, readSpeed, unknownSpeed } from './net-config.ts';
import { PciPort, stopDevice } from './pci-port.ts';
import { chooseQueueSize } from './queue-size.ts';
import { randomMac } from './random-mac.ts';

export interface PciPortOptions extends WaitOptions {
  /** Milliseconds for a reset of the device. Default 3000. */
  readonly timeout?: number;
  /** Descriptors of each ring. Default: the device's size, at most 1024. */
  readonly queueSize?: number;
  /** Feature bits that are not to be taken although they are offered, as RING_PACKED. */
  readonly without?: bigint;
  /** Gets one line per decision: paths as DPDK logs them, and interrupts that are fewer than wished. */
  readonly log?: (line: string) => void;
  /** Number of the port in log lines. Default 0. */
  readonly portNumber?: number;
}

const dataRoom = 2048;
/** 128 bytes for the application and 12 for the virtio-net header, so that the header begins a cache line. */
const headroom = 128 + 12;
const leastBuffers = 1024;

/**
 * Opens a port on a PCI device that is bound to vfio-pci, to uio_pci_generic or to no driver at all: resets it,
 * negotiates, sets up one queue pair and fills the receive queue. A failure at any step gives everything back.
 * @param device devargs as `0000:00:04.0,vectorized=1`, or a device that is reached in another way
 * @throws VioError VIO_PCI_*, VIO_VFIO_*, VIO_DEVARGS_*, VIO_FEATURE_MISSING, VIO_FEATURES_REFUSED, VIO_HUGEPAGES,
 *   VIO_PAGEMAP_PERMISSION, VIO_MEMORY_LOCK, VIO_ABORTED
 */
export async function openPciPort(
  device: string | PciAccess,
  options: PciPortOptions = {},
): Promise<PciPort> {
  const config = parsePciDevargs(typeof device === 'string' ? device : device.address);
  const access = typeof device === 'string' ? openAccess(config.address) : device;
  let registers: VirtioPciDevice | null = null;
  try {
    registers = openDevice(access);
    await resetDevice(registers, options);
    return await build(access, registers, config, options);
  } catch (error) {
    if (registers !== null) failQuietly(registers);
    access.close();
    throw error;
  }
}

async function build(
  access: PciAccess,
  device: VirtioPciDevice,
  config: PciConfig,
  options: PciPortOptions,
): Promise<PciPort> {
  const features = negotiateWith(device, (offered) =>
    chooseFeatures({
      offered,
      modern: device.modern,
      without: options.without ?? 0n,
      mtu: device.modern ? readMtu(device, offered & VIRTIO_NET_F_MTU) : null,
      room: dataRoom,
    }),
  );
  const rings = ringFeatures(features);
  const size = chooseQueueSize({
    rx: device.queueSize(0),
    tx: device.queueSize(1),
    wanted: options.queueSize,
    resizable: device.resizable,
    format: rings.format,
  });
  const paths = electPaths({ features, vectorized: config.vectorized, cpu: cpuFeatures() });
  for (const path of [paths.rx, paths.tx]) options.log?.(pathLogLine(path, options.portNumber ?? 0));

  const ringBytes = driverQueueBytes(rings, size);
  const stride = poolStride(dataRoom, headroom);
  const buffers = Math.max(4 * size, leastBuffers);
  const physical = (features & VIRTIO_F_ACCESS_PLATFORM) === 0n;
  const dma = access.allocateDma(2 * ringBytes + buffers * stride, physical);
  let interrupts: PortInterrupts | null = null;
  try {
    const region = new Region(dma.buffer, 0, dma.buffer.byteLength, dma.address);
    const pool = new BufferPool({ region, offset: 2 * ringBytes, count: buffers, dataRoom, headroom });
    let port: PciPort | null = null;
    const pair = createQueuePair({
      features,
      region,
      pool,
      size,
      rxOffset: 0,
      txOffset: ringBytes,
      rxKick: device.notifier(0),
      txKick: device.notifier(1),
      onBroken: (direction, fault) => port?.emit('broken', { direction, queue: 0, fault }),
    });
    interrupts = new PortInterrupts(access.interrupts, device, 1);
    if (interrupts.mode !== 'per-queue') options.log?.(interruptLine(access, interrupts.mode));
    place(device, dma, [pair.rx.queue, pair.tx.queue]);
    const parts = { features, paths, region, pool, rx: [pair.rx], tx: [pair.tx], rxCall: interrupts.rxCall };
    const mac = readMac(device, features) ?? randomMac();
    const link = { ...readSpeed(device, features), mtu: readMtu(device, features) };
    if (config.speed !== unknownSpeed) link.speed = config.speed;
    driverOk(device);
    port = new PciPort({ ...parts, mac }, { access, device, dma, interrupts }, link);
    pair.rx.fill();
    return port;
  } catch (error) {
    interrupts?.[Symbol.dispose]();
    await stopDevice({ access, device, dma });
    throw error;
  }
}

/** Tells the device where its queues are. */
function place(device: VirtioPciDevice, dma: DmaMemory, queues: readonly DriverQueue[]): void {
  const at = (offset: number): bigint => dma.address + BigInt(offset);
  for (const [i, { addresses, size }] of queues.entries()) {
    device.enableQueue(i, {
      size,
      descriptors: at(addresses.descriptors),
      driver: at(addresses.driver),
      device: at(addresses.device),
    });
  }
}

function interruptLine({ address, interrupts }: PciAccess, mode: PortInterrupts['mode']): string {
  const how = {
    'per-queue': '',
    shared: 'one vector serves all queues and the link',
    line: 'INTx serves all queues and the link',
    polled: 'the queues are looked at every millisecond, the link every second',
  }[mode];
  return `virtio: ${address} has ${interrupts.vectors} usable MSI-X vectors of 2 wished: ${how}`;
}

function failQuietly(device: VirtioPciDevice): void {
  try {
    fail(device);
  } catch {
    // The device does not answer; the caller is told what came first.
  }
}
