import { VioError, type WaitOptions } from '@vio/native';
import { defaultTimeout } from '@vio/native/internal';
import { type DriverQueue, driverPositions } from '@vio/rings';
import { featureNames } from '../feature-bits.ts';
import type { NetPort } from '../port/net-port.ts';
import type { LinkState, NetPortEvents } from '../port/port-events.ts';
import type { Controls, EventFeed, LinkView, RingState, TelemetrySource } from './source.ts';

/** What telemetry tells of a port: every `DevicePort` has it. */
export interface ObservablePort extends NetPort {
  /** Mbit/s; undefined: nobody says. */
  readonly speed: number | undefined;
  /** As the device says. */
  readonly duplex: string;
  /** Bytes. */
  readonly mtu: number | undefined;
  /** Names of features that were asked for and are not there. */
  readonly missing: readonly string[];
  /** Times a device came in place of one that went. */
  readonly reconnects: number;
  /** Gives one queue a fresh ring. */
  resetQueue(
    name: { readonly direction: 'rx' | 'tx'; readonly queue: number },
    wait: WaitOptions,
  ): Promise<void>;
}

/**
 * A port, as telemetry sees it.
 * @param name of it, for a person
 * @param more counters besides, such as an application's own
 */
export function portSource(
  port: ObservablePort,
  name: string,
  more: () => Readonly<Record<string, number>> = () => ({}),
): TelemetrySource {
  return {
    name,
    kind: 'port',
    info: () => ({
      mac_addr: port.mac,
      mtu: port.mtu,
      nb_rx_queues: port.rx.length,
      nb_tx_queues: port.tx.length,
      features: featureNames(port.features),
      missing: port.missing,
      rx_path: port.paths.rx.path,
      tx_path: port.paths.tx.path,
      reconnects: port.reconnects,
    }),
    stats: () => ({ ...port.stats(), ...more() }),
    rings: () => portRings(port),
    link: () => linkView(port.link, port),
    paths: () => port.paths,
    memory: () => ({ pool: { free: port.pool.free, count: port.pool.count }, bytes: port.region.u8.length }),
    dump: () => port.ringDumps(),
    capture: (snaplen, buffer) =>
      port.capture({
        format: 'pcapng',
        ...(snaplen === undefined ? {} : { snaplen }),
        ...(buffer === undefined ? {} : { buffer }),
      }),
    events: portEvents(port),
    controls: portControls(port),
  };
}

/** The rings of a port's own queues, in pairs. */
export function portRings(port: NetPort): RingState[] {
  return port.rx.flatMap((rx, pair) => [
    ringState(`receiveq${pair}`, rx.queue),
    ringState(`transmitq${pair}`, port.tx[pair].queue),
  ]);
}

function ringState(name: string, queue: DriverQueue): RingState {
  const { format, size, outstanding, broken } = queue;
  const positions = driverPositions(queue);
  return { name, format, size, inUse: outstanding, broken: broken?.detail, positions };
}

function linkView({ up, reason }: LinkState, { speed, duplex }: ObservablePort): LinkView {
  return {
    status: up ? 'UP' : 'DOWN',
    speed,
    duplex,
    reason: reason === undefined ? undefined : { code: reason.code, message: reason.message },
  };
}

function portEvents(port: ObservablePort): EventFeed {
  return (tell) => {
    const listeners: NetPortEvents = {
      link: ({ up, reason }) => tell('link', { up, code: reason?.code, message: reason?.message }),
      reconnect: (back) => tell('reconnect', back),
      retry: ({ attempt, reason, delay }) =>
        tell('retry', { attempt, delay, code: reason.code, message: reason.message }),
      broken: (queue) => tell('broken', queue),
      warning: ({ code, message }) => tell('warning', { code, message }),
    };
    port.on('link', listeners.link);
    port.on('reconnect', listeners.reconnect);
    port.on('retry', listeners.retry);
    port.on('broken', listeners.broken);
    port.on('warning', listeners.warning);
    return () => {
      port.off('link', listeners.link);
      port.off('reconnect', listeners.reconnect);
      port.off('retry', listeners.retry);
      port.off('broken', listeners.broken);
      port.off('warning', listeners.warning);
    };
  };
}

function portControls(port: ObservablePort): Controls {
  return {
    'stats-reset': () => {
      port.resetStats();
      return { reset: true };
    },
    promiscuous: async ([on]) => {
      await port.control.setPromiscuous(isOn(on), { timeout: defaultTimeout });
      return { promiscuous: isOn(on) };
    },
    allmulticast: async ([on]) => {
      await port.control.setAllMulticast(isOn(on), { timeout: defaultTimeout });
      return { allmulticast: isOn(on) };
    },
    'queue-pairs': async ([pairs]) => {
      await port.control.setQueuePairs(Number(pairs), { timeout: defaultTimeout });
      return { pairs: port.control.queuePairs };
    },
    'queue-reset': async ([direction, queue]) => {
      if (direction !== 'rx' && direction !== 'tx') throw wrong('the direction', 'rx or tx');
      if (!(Number(queue) in port.rx)) throw wrong('the queue', `0 to ${port.rx.length - 1}`);
      await port.resetQueue({ direction, queue: Number(queue) }, { timeout: defaultTimeout });
      return { direction, queue: Number(queue) };
    },
  };
}

function isOn(text: string | undefined): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw wrong('the state', 'on or off');
}

function wrong(what: string, allowed: string): VioError {
  return new VioError(`${what} is missing or makes no sense`, {
    code: 'VIO_TELEMETRY_PARAMETER',
    remedy: `allowed: ${allowed}`,
  });
}
