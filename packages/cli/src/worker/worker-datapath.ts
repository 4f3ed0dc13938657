import type { QueuePairHandle } from '@vio/net';
import { genericStats } from '@vio/net/internal';
import { type LaneCounts, noCounts, totalCounts } from '../forward/counts.ts';
import { type LaneTraffic, burstCounters, noTraffic } from '../forward/lane.ts';
import type { MeteredSource } from '../forward/rates.ts';
import type { PortTopology } from '../forward/topology.ts';
import type { CountedStream, WorkerReport } from './messages.ts';
import { ThreadHandle } from './thread-handle.ts';
import type { Datapath, ForwardWork, StreamReport, StreamTask } from '../ports/datapath.ts';
import type { PortSlot } from '../ports/port-slot.ts';
import { planStreams } from '../ports/streams.ts';

/** A stream, and what its thread said of it last. */
class RemoteStream implements MeteredSource {
  readonly task: StreamTask;
  readonly thread: number;
  counts: LaneCounts = noCounts();
  bursts = 0;
  #traffic: LaneTraffic = noTraffic;

  constructor(task: StreamTask, thread: number) {
    this.task = task;
    this.thread = thread;
  }

  get name(): string {
    return this.task.name;
  }

  traffic(): LaneTraffic {
    return this.#traffic;
  }

  hear({ counts, bursts, traffic }: CountedStream): void {
    this.counts = counts;
    this.bursts = bursts;
    this.#traffic = traffic;
  }
}

/** What a port's queues counted, and what of it does not count any more. */
interface PortCounts {
  /** By queue pair name. */
  readonly now: Record<string, number>;
  base: Readonly<Record<string, number>>;
}

/** What threads tell besides what they count. */
export type TellOfBroken = (port: number, direction: 'rx' | 'tx', queue: number, detail: string) => void;

/** Forwards in threads: each has queue pairs of its own, those between which packets go. */
export class WorkerDatapath implements Datapath {
  readonly threads: number;
  readonly #slots: readonly PortSlot[];
  readonly #topology: PortTopology;
  readonly #handles: readonly ThreadHandle[];
  /** Queue pairs that a thread has taken over. */
  readonly #adopted = new WeakSet<QueuePairHandle>();
  readonly #counts = new Map<number, PortCounts>();
  #streams: readonly RemoteStream[] = [];
  #running = false;
  /** It is to run, as soon as threads have their queues. */
  #wanted = false;

  /** @param cpus where threads run, in turn; none: anywhere */
  constructor(
    slots: readonly PortSlot[],
    topology: PortTopology,
    threads: number,
    tellOfBroken: TellOfBroken,
    cpus: readonly number[] = [],
  ) {
    this.#slots = slots;
    this.#topology = topology;
    this.threads = threads;
    this.#handles = Array.from(
      { length: threads },
      (_, thread) =>
        new ThreadHandle((report) => this.#hear(thread, report, tellOfBroken), cpus[thread % cpus.length]),
    );
  }

  get running(): boolean {
    return this.#running;
  }

  get lanes(): readonly MeteredSource[] {
    return this.#streams;
  }

  get counts(): LaneCounts {
    return totalCounts(this.#streams);
  }

  get streams(): readonly StreamReport[] {
    return this.#streams.map(({ task: { from, to }, thread, counts }) => ({ from, to, thread, counts }));
  }

  async start(work: ForwardWork): Promise<void> {
    await this.stop();
    this.#wanted = true;
    await Promise.all(this.#handles.map((_, thread) => this.#adopt(thread)));
    if (!this.#wanted) return;
    this.#streams = this.#plan(work);
    this.#running = true;
    await Promise.all(
      this.#handles.map((handle, thread) =>
        handle.ask({
          kind: 'start',
          work,
          streams: this.#streams.filter((stream) => stream.thread === thread).map(({ task }) => task),
        }),
      ),
    );
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    if (!this.#running) return;
    await Promise.all(this.#handles.map((handle) => handle.ask({ kind: 'stop' })));
    this.#running = false;
  }

  besides(port: number): Record<string, number> {
    const own = this.#streams.filter(({ task }) => task.from.port === port);
    return { ...this.#queueStats(port), ...burstCounters(own) };
  }

  stats(port: number): Readonly<Record<string, number>> {
    const stats = this.#queueStats(port);
    return { ...genericStats(stats), ...stats };
  }

  #queueStats(port: number): Record<string, number> {
    const { now, base } = this.#countsOf(port);
    return Object.fromEntries(Object.entries(now).map(([name, value]) => [name, value - (base[name] ?? 0)]));
  }

  resetStats(port: number): void {
    const counts = this.#countsOf(port);
    counts.base = { ...counts.now };
  }

  async portClosed(port: number): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.ask({ kind: 'forget', port })));
    this.#counts.delete(port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.end()));
  }

  /** Has a thread take over the queue pairs that are its own. */
  async #adopt(thread: number): Promise<void> {
    const pairs = this.#slots.flatMap(({ number, port }) =>
      (port?.handles ?? [])
        .filter((handle) => !this.#adopted.has(handle) && this.#threadOf(number, handle.pair) === thread)
        .map((handle) => ({ port: number, handle })),
    );
    if (pairs.length === 0) return;
    for (const { handle } of pairs) this.#adopted.add(handle);
    await this.#handles[thread].ask({ kind: 'adopt', pairs });
  }

  /** Ports between which packets go have their queues of one number in one thread. */
  #threadOf(port: number, queue: number): number {
    return (this.#group(port) + queue) % this.threads;
  }

  /** Number of the group of ports that this one belongs to. */
  #group(port: number): number {
    if (this.#topology === 'chained') return 0;
    return this.#topology === 'loop' ? port : port >> 1;
  }

  #plan({ peers }: ForwardWork): RemoteStream[] {
    const topology = this.#topology;
    const tasks = planStreams(this.#slots, ({ port }) => port?.handles.length ?? 0, { topology, peers });
    return tasks.map((task) => new RemoteStream(task, this.#threadOf(task.from.port, task.from.queue)));
  }

  #countsOf(port: number): PortCounts {
    let counts = this.#counts.get(port);
    if (counts === undefined) {
      counts = { now: {}, base: {} };
      this.#counts.set(port, counts);
    }
    return counts;
  }

  #hear(thread: number, report: WorkerReport, tellOfBroken: TellOfBroken): void {
    if (report.kind === 'broken')
      return tellOfBroken(report.port, report.direction, report.queue, report.detail);
    if (report.kind !== 'counted') return;
    for (const { port, stats } of report.pairs) Object.assign(this.#countsOf(port).now, stats);
    const own = this.#streams.filter((stream) => stream.thread === thread);
    for (const [i, said] of report.streams.entries()) own[i]?.hear(said);
  }
}
