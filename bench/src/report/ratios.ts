// The ratios that stand in the results: what the chart is made of, so that it has what was not measured this time as well.
import type { Mode, Side } from '../modes.ts';
import type { Distance } from '../placement/probe.ts';
import { modeNames } from './markdown.ts';

/** What one cell of a table says. */
export interface Ratio {
  readonly side: Side;
  readonly distance: Distance;
  readonly row: string;
  readonly mode: Mode;
  /** Bytes of a frame. */
  readonly length: number;
  /** Ours / DPDK's. */
  readonly ratio: number;
}

/** What one processor and one DPDK gave. */
export interface MachineRatios {
  readonly machine: string;
  readonly ratios: readonly Ratio[];
}

/** @param text of the README, which `resultsMarkdown` and `withResults` have written; machines without ratios are left out */
export function ratiosIn(text: string): MachineRatios[] {
  const [, ...parts] = text.split(/<!-- results of (.*?) -->/);
  return parts
    .flatMap((machine, i) => (i % 2 === 0 ? [{ machine, ratios: ratiosOf(parts[i + 1]) }] : []))
    .filter(({ ratios }) => ratios.length > 0);
}

const sides: readonly Side[] = ['frontend', 'backend'];
const modes: readonly Mode[] = ['txonly', 'rxonly', 'io'];

function ratiosOf(part: string): Ratio[] {
  return sides.flatMap((side) => {
    const section = part.split(/^(?=### )/m).find((text) => text.startsWith(`### Our ${side} against`));
    return Array.from((section ?? '').matchAll(distanceTable)).flatMap(([, distance, lines]) =>
      ratiosOfTable(lines).map((ratio) => ({ side, distance: distance as Distance, ...ratio })),
    );
  });
}

/** The lines of a table behind what says where the CPUs were. */
const distanceTable = /^CPUs (near|middle|far):\n\n((?:\|.*\n?)+)/gm;

function ratiosOfTable(lines: string): Omit<Ratio, 'side' | 'distance'>[] {
  const [header, , ...rows] = lines.trim().split('\n').map(wordsOf);
  return rows.flatMap(([row, ...texts]) =>
    texts.flatMap((text, i) => {
      const [name, length] = header[i + 1].split(' ');
      const mode = modes.find((each) => modeNames[each] === name);
      const ratio = /^\*\*([\d.]+)\*\*/.exec(text)?.[1];
      return mode === undefined || ratio === undefined
        ? []
        : [{ row, mode, length: Number(length), ratio: Number(ratio) }];
    }),
  );
}

function wordsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((word) => word.trim());
}
