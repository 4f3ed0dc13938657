import { type RingState, type TelemetrySource, featureNames } from '@vio/net';
import type { VhostDevice } from '../device/vhost-device.ts';

/**
 * A device of a backend, as telemetry sees it: the frontend at the other end of a connection.
 * @param more counters besides, such as an application's own
 */
export function deviceSource(
  device: VhostDevice,
  more: () => Readonly<Record<string, number>> = () => ({}),
): TelemetrySource {
  return {
    name: `${device.ifname} ${device.vid}`,
    kind: 'device',
    info: () => ({
      mtu: device.mtu,
      nb_rx_queues: device.pairsInUse,
      nb_tx_queues: device.pairsInUse,
      features: featureNames(device.features),
      numa_node: device.numaNode,
      socket: device.ifname,
    }),
    stats: () => ({ ...device.stats(), ...more() }),
    rings: () => deviceRings(device),
    link: () => ({ status: device.running ? 'UP' : 'DOWN' }),
    memory: () => ({ regions: device.memoryTable() }),
    dump: () => deviceDumps(device),
    capture: (snaplen, buffer) =>
      device.capture({
        format: 'pcapng',
        ...(snaplen === undefined ? {} : { snaplen }),
        ...(buffer === undefined ? {} : { buffer }),
      }),
    controls: {
      'stats-reset': () => {
        for (let queue = 0; queue < device.vringCount; queue++) device.resetVringStats(queue);
        return { reset: true };
      },
    },
  };
}

/** The rings of a device: how many buffers of the driver wait in each. */
export function deviceRings(device: VhostDevice): RingState[] {
  const rings: RingState[] = [];
  for (let queue = 0; queue < device.vringCount; queue++) {
    const info = device.vringInfo(queue);
    if (info === undefined || info.size === 0) continue;
    const name = `${queue % 2 === 0 ? 'receiveq' : 'transmitq'}${queue >>> 1}`;
    rings.push({
      name,
      format: info.format,
      size: info.size,
      inUse: device.availEntries(queue),
      broken: info.broken,
      positions: device.ringPositions(queue),
    });
  }
  return rings;
}

/** Every ring of a device as it lies in memory, each when it is asked for. */
export function* deviceDumps(device: VhostDevice): Generator<object, void, undefined> {
  for (let queue = 0; queue < device.vringCount; queue++) {
    const dump = device.dumpRing(queue);
    if (dump !== undefined) yield dump;
  }
}
