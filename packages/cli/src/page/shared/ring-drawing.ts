import type { RingPositions } from '@vio/rings';

/** Whose a slot is. */
export type SlotState = 'used' | 'held' | 'available' | 'free';

/** A ring as paths of SVG in a square of `side`, whose middle is free for words. */
export interface RingDrawing {
  /** Strokes, one for each state that there is. */
  readonly arcs: readonly { readonly state: SlotState; readonly path: string }[];
  /** Lines between slots, where there are few enough to be seen. */
  readonly ticks: string;
  /** The driver's place, from outside, and the device's, from inside: filled triangles. */
  readonly driver: string;
  readonly device: string;
}

/** Units of the drawing's sides. */
export const side = 120;
/** Of the strokes of arcs. */
export const strokeWidth = 11;

const middle = side / 2;
const radius = 43;
/** Slots whose borders are drawn. */
const mostTicks = 64;

/** Draws a ring: slot 0 at the top, clockwise. */
export function drawRing(size: number, positions: RingPositions | undefined): RingDrawing {
  if (positions === undefined || size < 1) {
    return { arcs: [{ state: 'free', path: arc(0, 1, 1) }], ticks: '', driver: '', device: '' };
  }
  return {
    arcs: runs(size, positions).map(({ state, from, count }) => ({ state, path: arc(from, count, size) })),
    ticks: size > 1 && size <= mostTicks ? ticks(size) : '',
    driver: pointer(positions.driver.slot, size, radius + 16, radius + 7),
    device: pointer(positions.device.slot, size, radius - 16, radius - 7),
  };
}

/** The slots in a row that are of one state, from the oldest that is used. */
export function runs(
  size: number,
  { device, used = 0, held, available = 0 }: RingPositions,
): { state: SlotState; from: number; count: number }[] {
  const counts: [SlotState, number][] = [
    ['used', used],
    ['held', held],
    ['available', available],
    ['free', Math.max(0, size - used - held - available)],
  ];
  let from = (device.slot - used + size) % size;
  return counts.flatMap(([state, count]) => {
    const run = { state, from, count };
    from = (from + count) % size;
    return count > 0 ? [run] : [];
  });
}

function point(slot: number, size: number, distance: number): string {
  const angle = (2 * Math.PI * slot) / size - Math.PI / 2;
  const at = (value: number): string => (middle + distance * value).toFixed(2);
  return `${at(Math.cos(angle))} ${at(Math.sin(angle))}`;
}

function arc(from: number, count: number, size: number): string {
  // An arc that ends where it begins is none: a whole one is two halves.
  const half = count / 2;
  const ends = [from, from + half, from + count].map((slot) => point(slot, size, radius));
  const bend = (to: string): string => `A${radius} ${radius} 0 0 1 ${to}`;
  return `M${ends[0]}${bend(ends[1])}${bend(ends[2])}`;
}

function ticks(size: number): string {
  const [inner, outer] = [radius - strokeWidth / 2, radius + strokeWidth / 2];
  const line = (slot: number): string => `M${point(slot, size, inner)}L${point(slot, size, outer)}`;
  return Array.from({ length: size }, (_, slot) => line(slot)).join('');
}

/** A triangle whose tip is on the border in front of a slot. */
function pointer(slot: number, size: number, far: number, near: number): string {
  const spread = size / 56;
  return `M${point(slot, size, near)}L${point(slot - spread, size, far)}L${point(slot + spread, size, far)}Z`;
}

/** Where a side is, in words: `5 wrap 1`, or `5 (index 65541)`. */
export function placeText({ slot, wrap, index }: RingPositions['driver']): string {
  if (wrap !== undefined) return `${slot} wrap ${wrap}`;
  return index === undefined || index === slot ? `${slot}` : `${slot} (index ${index})`;
}
