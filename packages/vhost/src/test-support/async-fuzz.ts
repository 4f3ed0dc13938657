import { Random } from '@vio/rings/testing';
import { dmaConfigure, dmaUnconfigure } from '../backend/async/dma-configure.ts';
import type { DmaEngine } from '../backend/async/dma-engine.ts';
import { StubEngine } from '../testing/stub-engine.ts';
import { AsyncSide, PlainSide, SideMemory } from './async-sides.ts';
import { dataRoom, overlap } from './fuzzed-ring.ts';
import { HostileDriver, randomSetup } from './hostile-driver.ts';

const stepsPerSetup = 40;
const mostFindings = 5;
const faults = ['twice', 'unknown', 'order', 'taken', 'completed', 'transfer', 'check', 'quiesce'] as const;

/** What the fuzzer found, and what it went through. */
export interface FuzzedAsync {
  readonly findings: readonly string[];
  readonly states: number;
  /** Packets that were reported, of both directions. */
  readonly sent: number;
  readonly received: number;
  /** Engines that were found out. */
  readonly faults: number;
  /** States in which both ways were compared. */
  readonly compared: number;
}

/**
 * Lets hostile drivers play with asynchronous channels, over engines that delay, complete out of step, fail and misbehave: nothing
 * may throw or be written where it may not, and every packet comes back once. Where a step is copied to its end it does what
 * the data path without an engine does, over the same states.
 * @param threads engines that are real, by turns with stubs
 */
export async function fuzzAsync(
  states: number,
  seed: number,
  threads: readonly DmaEngine[],
): Promise<FuzzedAsync> {
  const random = new Random(seed);
  const findings: string[] = [];
  const rooms = [new SideMemory(true), new SideMemory(false)];
  const plain = new SideMemory(false);
  const seen = { sent: 0, received: 0, faults: 0, compared: 0 };
  for (const thread of threads) dmaConfigure(thread, { onFault: (fault) => findings.push(fault.message) });
  let done = 0;
  while (done < states && findings.length < mostFindings) {
    const setup = randomSetup(random);
    const real = random.chance(0.4);
    const engine = real ? random.pick(threads) : new StubEngine(randomStub(random));
    if (!real) dmaConfigure(engine, { descriptors: 64, onFault: () => seen.faults++ });
    // Buffers that overlap are copied in another order, and a stub that misbehaves only later.
    const compares = !setup.overlapping && random.chance(0.5);
    const sides = [new AsyncSide(random.pick(rooms), engine, setup), new PlainSide(plain, setup)] as const;
    const memories = sides.map(({ memory }) => memory);
    const driver = new HostileDriver(random, memories, setup);
    driver.begin();
    if (sides.map((side) => side.start()).every(Boolean)) {
      for (let step = 0; step < stepsPerSetup && done < states; step++, done++) {
        driver.act(sides[0].queue);
        if (engine instanceof StubEngine) shake(engine, random);
        const [one, other] = sides;
        const lengths = Array.from({ length: 1 + random.below(20) }, () => randomLength(random));
        const before = memories[1].ring.slice();
        let differ: string | undefined;
        if (compares) {
          const [a, b] = [one.whole(lengths), other.whole(lengths)];
          // What is in flight takes room in the ring, and is not completed where it broke: only honest drivers see no difference.
          const broke = sides.some(({ queue }) => queue.broken !== undefined);
          if (a !== b && !broke) differ = `asynchronous ${a}, plain ${b}`;
          else if (
            !broke &&
            !(setup.features.inOrder && !setup.receives) &&
            Buffer.compare(memories[0].ring, memories[1].ring) !== 0
          )
            differ = 'the rings differ';
          seen.compared++;
          memories[1].u8.set(memories[0].u8);
        } else one.act(random, lengths);
        const wrong = one.wrong() ?? (differ !== undefined && overlap(before, setup) ? undefined : differ);
        if (wrong !== undefined) findings.push(`state ${done}: ${wrong} ${JSON.stringify(setup)}`);
        if (
          wrong !== undefined ||
          differ !== undefined ||
          sides.some(({ queue }) => queue.broken !== undefined)
        )
          break;
      }
      sides[0].end();
      const wrong = sides[0].wrong();
      if (wrong !== undefined) findings.push(`state ${done}, at the end: ${wrong} ${JSON.stringify(setup)}`);
    } else sides[0].end();
    seen.sent += sides[0].sent;
    seen.received += sides[0].received;
    if (!real) dmaUnconfigure(engine);
    // What engines did wrong is told by then.
    await new Promise(setImmediate);
    done++;
  }
  for (const thread of threads) dmaUnconfigure(thread);
  return { findings, states: done, ...seen };
}

function randomStub(random: Random): ConstructorParameters<typeof StubEngine>[0] {
  return {
    looks: random.pick([1, 1, 2, 3, Infinity]),
    room: random.pick([Infinity, Infinity, 0, 1, 7]),
    step: random.pick([Infinity, 1, 3]),
    reversed: random.chance(0.2),
    failEach: random.pick([Infinity, 1, 3]),
    fault: random.chance(0.1) ? random.pick(faults) : undefined,
  };
}

/** An engine that changes its ways. */
function shake({ options }: StubEngine, random: Random): void {
  if (random.chance(0.1)) options.looks = random.pick([1, 2, Infinity]);
  if (random.chance(0.01)) options.fault = random.pick(faults);
}

function randomLength(random: Random): number {
  return random.chance(0.9) ? 1 + random.below(dataRoom) : dataRoom + 1 + random.below(2 * dataRoom);
}
