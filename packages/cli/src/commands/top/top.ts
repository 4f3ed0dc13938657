import { setTimeout } from 'node:timers/promises';
import { VioError } from '@vio/native';
import { Output } from '../../output.ts';
import { type PortActivity, activity, sorted } from './activity.ts';
import { type SortKey, type TopOptions, sortKeys } from './options.ts';
import { paintFor } from './paint.ts';
import { type View, render } from './render.ts';
import { Screen } from './screen.ts';
import type { Look } from './snapshot.ts';
import { Watcher } from './watcher.ts';

/** Columns where nobody says how many there are. */
const usualColumns = 80;

/** Looks at running programs until it is interrupted. */
export async function top(
  sockets: readonly string[],
  options: TopOptions,
  interrupted: AbortSignal,
): Promise<void> {
  using watcher = new Watcher(sockets);
  const live = options.once !== true && options.json !== true && process.stdout.isTTY;
  const before = await watcher.look();
  if (options.once === true && before.length === 0) throw nothing(sockets);
  if (live) await interact(watcher, before, options, interrupted);
  else await writeDown(watcher, before, options, interrupted);
}

/** One look behind the other, for programs and files. */
async function writeDown(
  watcher: Watcher,
  first: readonly Look[],
  { interval, sort, queues, once, json }: TopOptions,
  signal: AbortSignal,
): Promise<void> {
  const output = new Output(json === true);
  const columns = Number(process.env['COLUMNS']) || process.stdout.columns || usualColumns;
  const paint = paintFor(process.stdout);
  const view: View = { columns, sort, queues: queues === true, paused: false, paint, keys: false };
  for (let before = first; !signal.aborted;) {
    await pause(interval, signal);
    if (signal.aborted) return;
    const now = await watcher.look();
    const ports = sorted(activity(before, now), sort);
    output.record('top', { time: Date.now(), ports }, render(ports, view).join('\n'));
    if (once === true) return;
    before = now;
  }
}

/** A picture that is drawn anew, and keys. */
async function interact(
  watcher: Watcher,
  first: readonly Look[],
  options: TopOptions,
  interrupted: AbortSignal,
): Promise<void> {
  const quit = new AbortController();
  const signal = AbortSignal.any([interrupted, quit.signal]);
  let sort: SortKey = options.sort;
  let queues = options.queues === true;
  let paused = false;
  let from = 0;
  let ports: readonly PortActivity[] = activity(first, first);
  const paint = paintFor(process.stdout);
  const draw = (): void => {
    const view: View = { columns: screen.columns, sort, queues, paused, paint, keys: true };
    const lines = render(sorted(ports, sort), view);
    from = Math.max(0, Math.min(from, lines.length - screen.rows));
    screen.draw(lines, from, 3);
  };
  const key = (pressed: string): void => {
    if (pressed === 'q' || pressed === '\u0003') return quit.abort();
    if (pressed === 's') sort = sortKeys[(sortKeys.indexOf(sort) + 1) % sortKeys.length];
    else if (pressed === 'u') queues = !queues;
    else if (pressed === 'p' || pressed === ' ') paused = !paused;
    else if (pressed === '\u001b[A' || pressed === 'k') from--;
    else if (pressed === '\u001b[B' || pressed === 'j') from++;
    draw();
  };
  using screen = new Screen(process.stdin, process.stdout, { key, resize: () => draw() });
  draw();
  for (let before = first; !signal.aborted;) {
    await pause(options.interval, signal);
    if (signal.aborted) return;
    const now = await watcher.look();
    if (!paused) {
      ports = activity(before, now);
      draw();
    }
    before = now;
  }
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(seconds * 1000, undefined, { signal }).catch(() => {});
}

function nothing(sockets: readonly string[]): VioError {
  return new VioError(
    sockets.length > 0 ? 'nobody answers there' : 'nothing runs here that can be looked at',
    {
      code: 'VIO_TOP_NOTHING',
      remedy: 'start vio run, vio backend or vio switch run, or give the path of a telemetry socket',
      retryable: true,
    },
  );
}
