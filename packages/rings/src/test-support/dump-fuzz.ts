import type { RingFormat } from '../format.ts';
import { MemoryMap } from '../memory/memory-map.ts';
import { Region } from '../memory/region.ts';
import { FuzzLog, type Fuzzed } from '../testing/fuzz-log.ts';
import { Random } from '../testing/random.ts';
import { dumpRing, ringDumpText } from '../dump/dump-ring.ts';
import type { RingView } from '../dump/ring-view.ts';

const guest = 0x1_0000;
const memoryBytes = 0x1_0000;
const at = { descriptors: 0, driver: 2048, device: 4096 } as const;
/** Of the ring and the tables behind it. */
const hostileBytes = 5000;
const limit = 16;
/** Lines of text that a dump may have: a chain has its own line and one for each entry of its table. */
const mostLines = 16 + limit * 200;

/** Looks at rings of garbage, with what a driver knows and without. Nothing may throw, change, or take long. */
export function fuzzDump(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  const region = new Region(new ArrayBuffer(memoryBytes));
  const map = new MemoryMap([{ region, guestAddress: guest, userAddress: 0, size: memoryBytes }]);
  const find = (address: bigint, bytes: number) => {
    const found = map.fromGuest(Number(address), bytes);
    return found === undefined ? undefined : { region, offset: found.offset };
  };
  while (log.open) {
    log.state(() => {
      const view = randomView(random, region, find);
      const before = random.chance(0.01) ? region.u8.slice() : undefined;
      const dump = dumpRing(view, random.chance(0.5) ? {} : { limit });
      const text = ringDumpText('ring', dump);
      for (const { indirect, wrong } of dump.listed) {
        if (indirect !== undefined) log.saw('table');
        log.saw(wrong === undefined ? 'chain' : 'wrong chain');
      }
      if (before !== undefined && Buffer.compare(before, region.u8) !== 0) return 'the ring was changed';
      const lines = text.split('\n').length;
      return dump.listed.length > limit || lines > mostLines
        ? `${lines} lines of a ring of ${view.size}`
        : undefined;
    });
  }
  return log.result();
}

function randomView(random: Random, region: Region, find: RingView['find']): RingView {
  const { u8 } = region;
  const format = random.pick<RingFormat>(['split', 'packed']);
  const size = random.pick(format === 'packed' ? [1, 3, 8, 64] : [1, 2, 8, 64]);
  for (let place = 0; place < hostileBytes; place += 1 + random.below(32)) u8[place] = random.u32();
  // Addresses that mean something, short tables, flags that say so.
  for (let slot = 0; slot < size; slot++) {
    if (!random.chance(0.5)) continue;
    const place = at.descriptors + 16 * slot;
    u8[place + 2] = 1;
    for (const k of [3, 4, 5, 6, 7, 10, 11]) u8[place + k] = 0;
    if (random.chance(0.5)) u8[place + 8] &= 0xf0;
    if (format === 'split' && random.chance(0.5)) u8[place + 15] = 0;
  }
  return {
    format,
    size,
    eventIdx: random.chance(0.5),
    descriptors: { region, offset: at.descriptors },
    driver: { region, offset: at.driver },
    device: { region, offset: at.device },
    broken: random.chance(0.1) ? { code: 'USED_ID_INVALID', detail: 'whatever' } : undefined,
    held: random.chance(0.3)
      ? Array.from({ length: random.below(size + 1) }, () => random.below(size))
      : undefined,
    find,
  };
}
