import { setTimeout } from 'node:timers/promises';
import { VioError } from '@vio/native';
import { Output } from '../../output.ts';
import { inWords } from '../doctor/finding.ts';
import { type PortActivity, activity } from '../top/activity.ts';
import type { Look } from '../top/snapshot.ts';
import { Watcher } from '../top/watcher.ts';
import { type WatchedProgram, checkPlaces, checkProgram, checkTraffic } from './checks.ts';
import type { PerfOptions } from './options.ts';
import { type ProcessView, busiestThread, cpuPlace, packetMemory, viewProcess } from './process-view.ts';

/** Looks at the processes besides the first. */
const looks = 20;

/** Looks at running programs for a while, and says what holds them up. */
export async function perf(
  sockets: readonly string[],
  { duration, json }: PerfOptions,
  signal: AbortSignal,
): Promise<void> {
  const output = new Output(json === true);
  using watcher = new Watcher(sockets);
  const before = await watcher.look();
  if (before.length === 0) throw nobody();
  const begin = performance.now();
  const views = new Map<number, ProcessView[]>(before.map(({ pid }) => [pid, []]));
  const threads = new Map(before.map(({ pid }) => [pid, busiestThread(pid)]));
  for (let i = 0; i <= looks && !signal.aborted; i++) {
    if (i > 0) await setTimeout((1000 * duration) / looks, undefined, { signal }).catch(() => {});
    for (const [pid, seen] of views) {
      const view = viewProcess(pid, threads.get(pid));
      if (view !== undefined) seen.push(view);
    }
  }
  const seconds = (performance.now() - begin) / 1000;
  const ports = activity(before, await watcher.look());
  const programs = before.map((look) => watched(look, views));
  const findings = [
    ...programs.flatMap((program) => checkProgram(program, seconds)),
    ...partners(ports).flatMap(([a, b]) => {
      const [one, other] = [a, b].map((pid) => programs.find((program) => program.pid === pid));
      return one === undefined || other === undefined ? [] : checkPlaces(one, other, cpuPlace);
    }),
    ...ports.flatMap(checkTraffic),
  ];
  for (const finding of findings) output.record('finding', finding, inWords(finding));
}

function watched({ pid, command }: Look, views: ReadonlyMap<number, ProcessView[]>): WatchedProgram {
  return { pid, name: `${command} ${pid}`, views: views.get(pid) ?? [], memory: packetMemory(pid) };
}

/** Processes that are the two ends of one socket: a port is named by it, a device by it and a number. */
function partners(ports: readonly PortActivity[]): [number, number][] {
  const pairs = new Map<string, [number, number]>();
  for (const port of ports.filter(({ kind }) => kind === 'port')) {
    for (const device of ports.filter(({ kind }) => kind === 'device')) {
      if (device.pid === port.pid || device.name.replace(/ \d+$/, '') !== port.name) continue;
      pairs.set(`${port.pid} ${device.pid}`, [port.pid, device.pid]);
    }
  }
  return [...pairs.values()];
}

function nobody(): VioError {
  return new VioError('nothing runs here that can be looked at', {
    code: 'VIO_TOP_NOTHING',
    remedy: 'start vio run or vio backend, or give the path of a telemetry socket',
    retryable: true,
  });
}
