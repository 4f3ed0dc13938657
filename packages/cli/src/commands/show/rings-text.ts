import type { RingState } from '@vio/net';
import { runs } from '../../page/shared/ring-drawing.ts';
import { ringWords, slotsGiven } from '../../page/shared/ring-words.ts';

/** The rings of one port or device. */
export interface ShownPort {
  /** As in `run 4711`. */
  readonly program: string;
  readonly port: number;
  readonly name: string;
  readonly kind: string;
  readonly rings: readonly RingState[];
}

/** Characters of a ring. */
const width = 32;
const letters = { used: 'u', held: '#', available: 'a', free: '.' };

/** The rings in words, each with a line that begins at slot 0: what is given, used and free, and where both sides are. */
export function ringsText({ program, port, name, rings }: ShownPort): string {
  return [`${program}, port ${port}: ${plain(name)}`, ...rings.map(ringLine)].join('\n');
}

function ringLine(ring: RingState): string {
  const { name, size, broken } = ring;
  const words = ringWords(ring).map(([term, value]) => (term === 'format' ? value : `${term} ${value}`));
  const state = broken === undefined ? '' : `; broken: ${plain(broken)}`;
  const given = `${slotsGiven(ring)} of ${size} given`;
  return `  ${plain(name).padEnd(13)} [${picture(ring)}] ${given}, ${words.join(', ')}${state}`;
}

function picture({ size, positions }: RingState): string {
  const cells = Array.from({ length: width }, () => letters.free);
  if (positions === undefined || size < 1) return cells.join('');
  for (const { state, from, count } of runs(size, positions)) {
    if (state === 'free') continue;
    const first = Math.floor((from * width) / size);
    const end = Math.max(first + 1, Math.round(((from + count) * width) / size));
    for (let cell = first; cell < Math.min(end, first + width); cell++) cells[cell % width] = letters[state];
  }
  return cells.join('');
}

/** Text without what a terminal takes for commands. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
