import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { colour } from './dom.ts';
import { duration, short, timeOfDay } from './numbers.ts';

/** Looks that are kept and drawn. */
const mostKept = 300;
const height = 190;
const leastSeconds = 30;

/** A line of a chart: its name, and the colour of the style sheet that it has. */
export interface Line {
  readonly label: string;
  readonly colour: string;
}

/** Values over time. */
export class Chart {
  readonly #times: number[] = [];
  readonly #values: (number | null)[][];
  readonly #plot: uPlot;

  constructor(target: HTMLElement, lines: readonly Line[], format: (value: number) => string) {
    this.#values = lines.map(() => []);
    const axis = {
      stroke: () => colour('quiet'),
      grid: { stroke: () => colour('line'), width: 1 },
      ticks: { show: false },
    };
    this.#plot = new uPlot(
      {
        width: Math.max(200, target.clientWidth),
        height,
        cursor: { y: false, points: { size: 6 } },
        scales: {
          x: { range: (_, least, most) => span(least, most) },
          y: { range: (_, _least, most) => [0, most > 0 ? most * 1.08 : 1] },
        },
        axes: [
          { ...axis, space: 80, values: (_, splits) => splits.map((time) => timeOfDay(time * 1000)) },
          { ...axis, size: 62, values: (_, splits) => splits.map(format) },
        ],
        series: [
          { value: (_, time) => (time === null ? '–' : timeOfDay(time * 1000)) },
          ...lines.map(({ label, colour: name }) => ({
            label,
            stroke: () => colour(name),
            width: 1.6,
            points: { show: false },
            value: (_: uPlot, value: number | null) => (value === null ? '–' : format(value)),
          })),
        ],
      },
      this.#data(),
      target,
    );
    new ResizeObserver(() =>
      this.#plot.setSize({ width: Math.max(200, target.clientWidth), height }),
    ).observe(target);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
      this.#plot.redraw(false, true),
    );
  }

  /** @param time milliseconds since 1970 @param values one of each line; undefined: there is none now */
  add(time: number, values: readonly (number | undefined)[]): void {
    this.#times.push(time / 1000);
    for (const [line, kept] of this.#values.entries()) kept.push(values[line] ?? null);
    if (this.#times.length > mostKept) for (const list of [this.#times, ...this.#values]) list.shift();
    this.#plot.setData(this.#data());
  }

  clear(): void {
    for (const list of [this.#times, ...this.#values]) list.length = 0;
    this.#plot.setData(this.#data());
  }

  #data(): uPlot.AlignedData {
    return [this.#times, ...this.#values];
  }
}

/** Seconds from the left border to the right at least; where there is nothing yet, those that come. */
function span(least: number | null, most: number | null): [number, number] {
  if (least === null || most === null) return [Date.now() / 1000, Date.now() / 1000 + leastSeconds];
  return [Math.min(least, most - leastSeconds), most];
}

export const perSecond = (value: number): string => short(value);
export const bits = (value: number): string => short(value, 'b');
export const microseconds = (value: number): string => duration(value);
