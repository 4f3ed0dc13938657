import { WorkerPort } from '@vio/net';
import type { MessagePort } from 'node:worker_threads';
import { Forwarder } from '../forward/forwarder.ts';
import { forwardStep } from '../forward/modes.ts';
import { Stream, type StreamEnd } from '../forward/stream.ts';
import type { ForwardWork, PortQueue, StreamTask } from '../ports/datapath.ts';
import type { WorkerReport, WorkerRequest } from './messages.ts';

/** Milliseconds between two reports of what was counted. */
const reportInterval = 20;

/** Forwards between queue pairs that this thread has taken over, as its parent says. */
export class ForwardThread {
  readonly #parent: MessagePort;
  readonly #pairs = new Map<string, { readonly place: PortQueue; readonly port: WorkerPort }>();
  #streams: readonly Stream[] = [];
  #forwarder: Forwarder | undefined;
  #reports: NodeJS.Timeout | undefined;

  constructor(parent: MessagePort) {
    this.#parent = parent;
    parent.on('message', (request: WorkerRequest) => void this.#answer(request));
  }

  async #answer(request: WorkerRequest): Promise<void> {
    let failure: string | undefined;
    try {
      await this.#carryOut(request);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    this.#count();
    this.#say({ kind: 'done', id: request.id, failure });
  }

  async #carryOut(request: WorkerRequest): Promise<void> {
    switch (request.kind) {
      case 'adopt':
        for (const { port, handle } of request.pairs) this.#adopt(port, WorkerPort.open(handle));
        return;
      case 'forget':
        for (const [name, { place, port }] of this.#pairs) {
          if (place.port !== request.port) continue;
          this.#pairs.delete(name);
          port.close();
        }
        return;
      case 'start': {
        const { work, streams } = request;
        this.#streams = streams.map((task) => this.#stream(task, work));
        const forwarder = new Forwarder(forwardStep(work.mode, work.segments), work.burst);
        for (const stream of this.#streams) forwarder.add(stream);
        const first = forwardStep('txonly', work.segments);
        this.#forwarder = forwarder;
        this.#reports = setInterval(() => this.#count(), reportInterval);
        if (await forwarder.first(first, work.txFirst)) forwarder.start();
        return;
      }
      case 'stop':
        clearInterval(this.#reports);
        await this.#forwarder?.stop();
        this.#forwarder = undefined;
    }
  }

  #adopt(number: number, port: WorkerPort): void {
    const place = { port: number, queue: port.pair };
    this.#pairs.set(nameOf(place), { place, port });
    port.on('broken', ({ direction, queue, fault }) => {
      this.#say({
        kind: 'broken',
        port: number,
        direction,
        queue,
        detail: `${fault.detail} (${fault.code})`,
      });
    });
  }

  #stream({ name, from, to, own, peer }: StreamTask, { checksums, tags, retry }: ForwardWork): Stream {
    return new Stream({
      name,
      from: this.#end(from),
      to: this.#end(to),
      addresses: { own, peer },
      checksums: checksums.get(to.port),
      tag: tags?.get(to.port),
      retry,
    });
  }

  #end(place: PortQueue): StreamEnd {
    const found = this.#pairs.get(nameOf(place));
    if (found === undefined)
      throw new RangeError(`nobody has queue pair ${place.queue} of port ${place.port}`);
    const [[rx], [tx]] = [found.port.rx, found.port.tx];
    return { ...place, rx, tx, features: found.port.features };
  }

  #count(): void {
    this.#say({
      kind: 'counted',
      pairs: Array.from(this.#pairs.values(), ({ place, port }) => ({
        port: place.port,
        stats: port.stats(),
      })),
      streams: this.#streams.map((stream) => ({
        counts: { ...stream.counts },
        bursts: stream.bursts,
        traffic: stream.traffic(),
      })),
    });
  }

  #say(report: WorkerReport): void {
    this.#parent.postMessage(report);
  }
}

function nameOf({ port, queue }: PortQueue): string {
  return `${port}/${queue}`;
}
