import { EventFd, SharedMemory, dupFd } from '@vio/native';
import { BufferPool, type QueueFault, Region } from '@vio/rings';
import type { FrameRules } from '../frames/frame-rules.ts';
import type { PathChoice } from '../paths.ts';
import { PortSwitches } from '../queue/port-switches.ts';
import { createQueuePair } from '../queue/queue-pair.ts';
import { NetPort } from './net-port.ts';
import { portStats } from './port-stats.ts';

/**
 * A queue pair for another thread of this process: plain data, so it can be a `workerData` or a message. It stays
 * good until the port it comes from is closed.
 */
export interface QueuePairHandle {
  /** Number of the queue pair in the port it comes from. */
  readonly pair: number;
  /** Negotiated device features. */
  readonly features: bigint;
  /** As in `02:00:00:00:00:01`. */
  readonly mac: string;
  /** The elected paths. */
  readonly paths: { readonly rx: PathChoice; readonly tx: PathChoice };
  /** The port's memory: file descriptor, bytes, and the address by which the device knows the first of them (default 0n). */
  readonly memory: { readonly fd: number; readonly bytes: number; readonly address?: bigint };
  /**
   * Descriptors of the receive ring, and of the transmit ring unless `txSize` says others, and byte offsets of the rings in the
   * memory.
   */
  readonly rings: {
    readonly size: number;
    readonly txSize?: number | undefined;
    readonly rxOffset: number;
    readonly txOffset: number;
  };
  /** This pair's own packet buffers: byte offset of the first, and their number. */
  readonly pool: {
    readonly offset: number;
    readonly count: number;
    /** Bytes in front of the data of every buffer, and for the data. */
    readonly headroom: number;
    readonly dataRoom: number;
  };
  /** What the queues do to every frame, without `switches`. */
  readonly rules?: FrameRules | undefined;
  /**
   * By which the port that this pair comes from tells what has changed: that it was stopped or started, its MTU, what is done to
   * VLAN tags. Default: nothing ever changes.
   */
  readonly switches?: SharedArrayBuffer | undefined;
  /** File descriptors of the eventfds. */
  readonly events: { readonly rxKick: number; readonly txKick: number; readonly rxCall: number };
}

/**
 * One queue pair of a port, in the thread that polls it; here it is `rx[0]` and `tx[0]`. It has its own mapping of
 * the port's memory and its own buffers, so nothing is shared with other threads but what is on the rings.
 */
export class WorkerPort extends NetPort implements Disposable {
  /** Number of the queue pair in the port it comes from. */
  readonly pair: number;
  readonly #memory: SharedMemory;
  readonly #events: readonly EventFd[];

  /**
   * Takes over a queue pair, and fills its receive queue. Once for every handle.
   * @throws VioError VIO_SYS_* when the port was closed already
   */
  static open(handle: QueuePairHandle): WorkerPort {
    const { memory, events } = handle;
    const own: EventFd[] = [];
    let mapping: SharedMemory | undefined;
    try {
      for (const fd of [events.rxKick, events.txKick, events.rxCall]) own.push(EventFd.adopt(dupFd(fd)));
      mapping = SharedMemory.map(memory.fd, { size: memory.bytes, populate: false });
      const port = new WorkerPort(handle, mapping, own);
      port.rx[0].fill();
      // Whoever had the rings before may have ended between filling them and the kick.
      for (const kick of own.slice(0, 2)) kick.signal();
      return port;
    } catch (error) {
      for (const event of own) event.close();
      mapping?.close();
      throw error;
    }
  }

  private constructor(handle: QueuePairHandle, memory: SharedMemory, events: readonly EventFd[]) {
    const [rxKick, txKick, rxCall] = events;
    const { features, rings, pool: buffers } = handle;
    const region = new Region(memory.buffer, 0, memory.size, handle.memory.address);
    const pool = new BufferPool({ region, ...buffers });
    let onBroken: (direction: 'rx' | 'tx', fault: QueueFault) => void = () => {};
    const { pair } = handle;
    const switches =
      handle.switches === undefined
        ? PortSwitches.create(handle.rules ?? {}, pair + 1)
        : new PortSwitches(handle.switches);
    const { rx, tx } = createQueuePair({
      features,
      region,
      pool,
      ...rings,
      rxKick,
      txKick,
      prepared: true,
      paths: handle.paths,
      switches: { port: switches, pair },
      onBroken: (direction, fault) => onBroken(direction, fault),
    });
    super({
      ...handle,
      switches: handle.switches === undefined ? undefined : switches,
      rules: switches.rules,
      region,
      pool,
      rx: [rx],
      tx: [tx],
      rxCall: [rxCall],
    });
    onBroken = (direction, fault) => this.emit('broken', { direction, queue: pair, fault });
    this.pair = pair;
    this.#memory = memory;
    this.#events = events;
  }

  /** Counters under the queue pair's number in the port it comes from. */
  override stats(): Record<string, number> {
    return portStats(this.rx, this.tx, this.pair);
  }

  /** Lets go of the memory and the eventfds. Close the port first: until then the device may still write. */
  close(): void {
    this.end();
    for (const event of this.#events) event.close();
    this.#memory.close();
    this.removeAllListeners();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
