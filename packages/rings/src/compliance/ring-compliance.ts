import type { RingFeatures, RingFormat } from '../format.ts';
import { Exchange } from './exchange.ts';
import { longestPacket, type RingPairFactory, type RingPairRequest } from './ring-pair.ts';

/** The test runner's functions and fast-check, handed in so that this package depends on neither. */
export interface RingComplianceRunner {
  /** Groups tests, as `describe` of Vitest, Jest and Mocha does. */
  readonly describe: (name: string, body: () => void) => unknown;
  /** Declares a test, as `it` of them does. */
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  /** The library fast-check. */
  readonly fc: typeof import('fast-check');
}

/** Sizes that bring full rings and wraps about at once; packed rings need not be powers of two. */
const sizes: Readonly<Record<RingFormat, readonly number[]>> = { split: [1, 4, 64], packed: [1, 5, 64] };

/**
 * Declares the suite that every driver side passes against every device side, over whatever connects them: all
 * formats, orders and directions, with and without indirect descriptors and EVENT_IDX. Random scripts move packets
 * in any portions; every byte, token, length, base and wake-up is checked.
 *
 * ```ts
 * import * as fc from 'fast-check';
 * import { describe, it } from 'vitest';
 * describeRingCompliance('my transport', connectRings, { describe, it, fc });
 * ```
 */
export function describeRingCompliance(
  name: string,
  create: RingPairFactory,
  runner: RingComplianceRunner,
): void {
  const { describe, it } = runner;
  describe(name, () => {
    for (const request of requests()) {
      describe(nameOf(request), () => {
        it('moves any sequence of packets without losing a byte, a buffer or a wake-up', () =>
          runScripts(create, request, runner));
        it('gives the driver back what a stopped device held', () => reclaimAll(create, request));
      });
    }
    for (const request of requests()) {
      if (request.size !== 64 || request.features.indirect) continue;
      it(`${nameOf(request)}: goes on past 65535 buffers`, () => passIndexWrap(create, request));
    }
  });
}

function requests(): RingPairRequest[] {
  const either = [false, true];
  return (['split', 'packed'] as const).flatMap((format) =>
    either.flatMap((inOrder) =>
      either.flatMap((indirect) =>
        either.flatMap((eventIdx) =>
          sizes[format].flatMap((size) =>
            either.map((deviceWrites) => ({
              size,
              features: { format, inOrder, indirect, eventIdx },
              deviceWrites,
            })),
          ),
        ),
      ),
    ),
  );
}

function nameOf({ size, features, deviceWrites }: RingPairRequest): string {
  const optional: (keyof RingFeatures)[] = ['inOrder', 'indirect', 'eventIdx'];
  const on = optional.filter((feature) => features[feature]);
  return [features.format, ...on, deviceWrites ? 'device writes' : 'device reads', `size ${size}`].join(', ');
}

async function withExchange(
  create: RingPairFactory,
  request: RingPairRequest,
  body: (exchange: Exchange) => void,
): Promise<void> {
  const pair = await create(request);
  try {
    body(new Exchange(pair, request));
  } finally {
    await pair.close?.();
  }
}

async function runScripts(create: RingPairFactory, request: RingPairRequest, { fc }: RingComplianceRunner) {
  const longest = Math.min(longestPacket, request.size);
  const portion = fc.integer({ min: 1, max: request.size + 1 });
  type Step = (exchange: Exchange) => void;
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(portion, fc.integer({ min: 1, max: longest })).map(
        ([n, segments]): Step =>
          (x) =>
            x.add(n, segments),
      ),
    },
    {
      weight: 3,
      arbitrary: portion.map(
        (n): Step =>
          (x) =>
            x.fetch(n),
      ),
    },
    {
      weight: 2,
      arbitrary: portion.map(
        (n): Step =>
          (x) =>
            x.serveSingles(n),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(portion, fc.nat()).map(
        ([n, pick]): Step =>
          (x) =>
            x.complete(n, pick),
      ),
    },
    {
      weight: 3,
      arbitrary: portion.map(
        (n): Step =>
          (x) =>
            x.reap(n),
      ),
    },
    { weight: 2, arbitrary: fc.constant<Step>((x) => x.kick()) },
    { weight: 2, arbitrary: fc.constant<Step>((x) => x.call()) },
    { weight: 1, arbitrary: fc.constant<Step>((x) => x.sleepDevice()) },
    { weight: 1, arbitrary: fc.constant<Step>((x) => x.sleepDriver()) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 100, size: 'max' }), (script) =>
      withExchange(create, request, (exchange) => {
        for (const take of script) take(exchange);
        exchange.finish();
      }),
    ),
    { numRuns: 25 },
  );
}

function reclaimAll(create: RingPairFactory, request: RingPairRequest): Promise<void> {
  const { size } = request;
  return withExchange(create, request, (exchange) => {
    exchange.add(size, 1);
    exchange.fetch(size);
    exchange.complete(Math.ceil(size / 2), 0);
    exchange.reap(Math.ceil(size / 4));
    exchange.add(size, Math.min(2, size));
    exchange.reclaim();
  });
}

/** Split indexes have 16 bits: more than 65535 buffers, in portions that do not divide them. */
function passIndexWrap(create: RingPairFactory, request: RingPairRequest): Promise<void> {
  return withExchange(create, request, (exchange) => {
    while (exchange.count < 0x1_0000 + 2 * request.size) {
      exchange.add(1 + (exchange.count % 61), 1);
      exchange.kick();
      if (exchange.count % 3 === 0) exchange.serveSingles(request.size);
      exchange.fetch(request.size);
      exchange.sleepDevice();
      exchange.complete(request.size, 1);
      exchange.call();
      exchange.reap(request.size);
      exchange.sleepDriver();
    }
    exchange.finish();
  });
}
