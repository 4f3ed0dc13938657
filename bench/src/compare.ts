import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GoldenRow } from '@vio/test/golden-rows';
import { Testpmd, netVhost, netVirtioUser } from '@vio/test/testpmd';
import { Arena, type Ports } from './arena.ts';
import { type Contender, OwnContender, TestpmdContender } from './contender.ts';
import { type Duel, type Window, duel, playRounds } from './duel.ts';
import type { Mode, Side } from './modes.ts';
import type { Variation } from './options.ts';
import { PlacementProbe } from './placement/probe.ts';
import { commandText } from './report/command.ts';

export interface Plan {
  readonly modes: readonly Mode[];
  readonly lengths: readonly number[];
  /** Rounds of four windows: DPDK, ours, ours, DPDK. */
  readonly rounds: number;
  /** Milliseconds. */
  readonly window: number;
  readonly settle: number;
  /** Milliseconds each contender runs before it is measured, once for each mode and length. */
  readonly warmUp: number;
}

/** CPUs of one comparison. Prompts idle, they may share a CPU with anything that is not measured. */
export interface Cpus {
  readonly prompt: number;
  readonly contender: number;
  readonly common: number;
}

export interface Cell {
  readonly side: Side;
  readonly row: string;
  readonly mode: Mode;
  readonly length: number;
  readonly duels: readonly Duel[];
}

export interface Comparison {
  readonly cells: readonly Cell[];
  /** Command lines, to be repeated by hand. */
  readonly commands: { readonly common: string; readonly dpdk: string; readonly ours: string };
}

/** A cell whose windows do not pair is played on, up to so many times its rounds. */
const mostRounds = 4;

/** What two contenders are given. */
interface Match {
  readonly row: GoldenRow;
  readonly cpus: Cpus;
  readonly variation: Variation | undefined;
  /** Of each of them. */
  readonly sockets: readonly [string, string];
  readonly ports: Ports;
}

/** What DPDK's vectorised paths may use; they take what the processor has. */
const widestSimd = 512;

interface Setting {
  readonly common: Testpmd;
  readonly contenders: readonly [Contender, Contender];
}

/**
 * Measures one row: our side and DPDK's, each against the same testpmd. Twice, with processes that are new, and whoever had the first
 * port of the testpmd has the second one then: which pages a process gets, and which port it has, count as much as code does.
 * @param variation instead: two ports of ours, the second with this; what says `dpdk` is the first then
 */
export async function compare(
  side: Side,
  row: GoldenRow,
  plan: Plan,
  cpus: Cpus,
  variation?: Variation,
): Promise<Comparison> {
  const first = await play(side, row, plan, cpus, variation, false);
  const second = await play(side, row, plan, cpus, variation, true);
  const cells = first.cells.map((cell, i) => ({ ...cell, duels: [...cell.duels, ...second.cells[i].duels] }));
  return { cells, commands: first.commands };
}

async function play(
  side: Side,
  row: GoldenRow,
  plan: Plan,
  cpus: Cpus,
  variation: Variation | undefined,
  exchanged: boolean,
): Promise<Comparison> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-bench-'));
  const ports: Ports = exchanged ? [1, 0] : [0, 1];
  const sockets = [join(directory, 'dpdk.sock'), join(directory, 'vio.sock')] as const;
  const match: Match = { row, cpus, variation, sockets, ports };
  const probe = await PlacementProbe.start([cpus.contender, cpus.common]);
  const { common, contenders } = await (side === 'frontend' ? frontends(match) : backends(match));
  try {
    const arena = new Arena(common, contenders, ports, probe);
    const cells: Cell[] = [];
    for (const length of plan.lengths) {
      for (const mode of plan.modes) {
        cells.push({ side, row: row.name, mode, length, duels: await fight(arena, mode, length, plan) });
      }
    }
    const [dpdk, ours] = contenders.map((contender) => contender.command);
    return { cells, commands: { common: commandText(common.command), dpdk, ours } };
  } finally {
    if (side === 'frontend') await Promise.all(contenders.map((contender) => contender.close()));
    await common.quit();
    if (side === 'backend') await Promise.all(contenders.map((contender) => contender.close()));
    await probe.close();
    rmSync(directory, { recursive: true });
  }
}

async function frontends({ sockets, ports, row, cpus, variation }: Match): Promise<Setting> {
  const common = await Testpmd.start({
    vdevs: ports.map((contender, port) => netVhost(sockets[contender], 1, { port })),
    ...testpmdSettings(cpus.prompt, cpus.common),
  });
  const devargs = (socket: string) =>
    `net_virtio_user0,path=${socket},queues=1,queue_size=256,${row.devargs}`;
  const first =
    variation === undefined
      ? await TestpmdContender.open({
          vdevs: [netVirtioUser(sockets[0], 1, row.devargs)],
          ...(row.vectorized ? { simdBits: widestSimd } : {}),
          ...testpmdSettings(cpus.prompt, cpus.contender),
        })
      : await OwnContender.openFrontend(devargs(sockets[0]), cpus.contender);
  const second = await OwnContender.openFrontend(devargs(sockets[1]), cpus.contender, variation);
  return { common, contenders: [first, second] };
}

async function backends({ sockets, ports, row, cpus, variation }: Match): Promise<Setting> {
  const first =
    variation === undefined
      ? await TestpmdContender.open({
          vdevs: [netVhost(sockets[0], 1)],
          ...testpmdSettings(cpus.prompt, cpus.contender),
        })
      : await OwnContender.listen(sockets[0], cpus.contender);
  const second = await OwnContender.listen(sockets[1], cpus.contender, variation);
  const own = [first, second].filter((contender) => contender instanceof OwnContender);
  const connected = Promise.all(own.map((contender) => contender.connected()));
  const common = await Testpmd.start({
    vdevs: ports.map((contender, port) => netVirtioUser(sockets[contender], 1, row.devargs, { port })),
    ...testpmdSettings(cpus.prompt, cpus.common),
  });
  await connected;
  return { common, contenders: [first, second] };
}

function testpmdSettings(promptCpu: number, forwardCpu: number) {
  return { promptCpu, forwardCpu, memory: 256, extra: ['--port-topology=loop'] };
}

async function fight(arena: Arena, mode: Mode, length: number, plan: Plan): Promise<Duel[]> {
  for (const index of [0, 1] as const) {
    await arena.measure(index, mode, length, { settle: 0, window: plan.warmUp });
  }
  return playRounds(plan.rounds, mostRounds, async () => {
    const windows: Window[] = [];
    for (const index of [0, 1, 1, 0] as const) windows.push(await arena.measure(index, mode, length, plan));
    return [...duel(windows[0], windows[1]), ...duel(windows[3], windows[2])];
  });
}
