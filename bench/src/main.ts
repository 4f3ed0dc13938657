// The benchmark's command line: see `options.ts`, or `npm run bench -- --help`.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { allowedCpus } from '@vio/test/cpus';
import { type GoldenRow, goldenRows, scalarRows } from '@vio/test/golden-rows';
import { type Cell, type Comparison, type Cpus, type Plan, compare } from './compare.ts';
import { medianRatio } from './duel.ts';
import type { Side } from './modes.ts';
import { parseOptions } from './options.ts';
import { ratioChart } from './report/chart.ts';
import { latencyChart } from './report/latency-chart.ts';
import { describeMachine } from './report/machine.ts';
import { modeNames } from './report/markdown.ts';
import { ratiosIn } from './report/ratios.ts';
import { writeResults } from './report/readme.ts';
import { type Results, resultsMarkdown } from './report/results.ts';
import { type AsyncResult, asyncCost, dpdkBackendCost } from './solo/async.ts';
import { convenientWays } from './solo/convenient.ts';
import { costPerPacket } from './solo/cost.ts';
import { type Latency, latencies } from './solo/latency.ts';
import { logCost } from './solo/log.ts';
import { firstPackets } from './solo/first-packet.ts';
import { pageCost } from './solo/page.ts';
import { reconnection } from './solo/reconnect.ts';
import { scales } from './solo/scale.ts';
import { steadyState } from './solo/steady.ts';
import { switchScales } from './solo/switch-scale.ts';
import { switchThreads } from './solo/switch-threads.ts';
import { wakeLatency } from './solo/wake.ts';

const { quick, write, only, ab, rounds } = parseOptions(process.argv.slice(2));

const basePlan: Plan = quick
  ? { modes: ['txonly', 'rxonly', 'io'], lengths: [64], rounds: 1, window: 150, settle: 50, warmUp: 300 }
  : {
      modes: ['txonly', 'rxonly', 'io'],
      lengths: [64, 1518],
      rounds: 2,
      window: 200,
      settle: 50,
      warmUp: 500,
    };

const plan: Plan = { ...basePlan, rounds: rounds ?? basePlan.rounds };

const allowed = allowedCpus();
if (allowed.length < 2) throw new Error('two CPUs are needed, one for each end of the virtqueues');
const [contender, common] = allowed.slice(-2);
const cpus: Cpus = { prompt: allowed[0], contender, common };

const wanted = (part: string): boolean => part.includes(only);
const rowsOf = (part: string, rows: readonly GoldenRow[] = scalarRows) =>
  rows.filter(({ name }) => wanted(part) || wanted(`${part} ${name}`));

async function compareAll(side: Side): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const row of rowsOf(side, side === 'frontend' ? goldenRows : scalarRows)) {
    const comparison = await compare(side, row, plan, cpus, ab);
    comparison.cells.forEach(tell);
    comparisons.push(comparison);
  }
  return comparisons;
}

function tell({ side, row, mode, length, duels }: Cell): void {
  const ratio = duels.length === 0 ? 'no two windows at one distance' : medianRatio(duels).toFixed(2);
  console.log(
    `${side} ${row} ${modeNames[mode]} ${length}: ${ratio} (${duels.map((d) => d.distance).join(' ')})`,
  );
}

async function costs(): Promise<Results['costs']> {
  const list: Results['costs'][number][] = [];
  for (const row of rowsOf('cost')) {
    for (const length of plan.lengths) {
      const cost = await costPerPacket(row.devargs, length, quick ? 5 : 15);
      console.log(`cost ${row.name} ${length}: ${JSON.stringify(cost)}`);
      list.push({ row: row.name, length, cost });
    }
  }
  return list;
}

async function logs(): Promise<Results['logs']> {
  const list: Results['logs'][number][] = [];
  if (!wanted('log')) return list;
  for (const row of scalarRows.filter(({ mergeable, inOrder }) => mergeable && !inOrder)) {
    for (const length of plan.lengths) {
      const cost = await logCost(row, length, quick ? 8 : 25);
      console.log(`log ${row.name} ${length}: ${JSON.stringify(cost)}`);
      list.push({ row: row.name, length, cost });
    }
  }
  return list;
}

async function asyncCosts(): Promise<AsyncResult[]> {
  const list: AsyncResult[] = [];
  if (!wanted('async')) return list;
  for (const length of [1518, 9000]) {
    const dpdk = await dpdkBackendCost(length, cpus);
    for (const frames of ['cached', 'beyond the caches'] as const) {
      const cost = await asyncCost(length, frames, quick ? 5 : 15);
      const result = { length, frames, cost, dpdk };
      console.log(`async ${length}, ${frames}: ${JSON.stringify(result)}`);
      list.push(result);
    }
  }
  return list;
}

/** The first row of each format stands for all of them. */
async function allLatencies(): Promise<Latency[]> {
  const list: Latency[] = [];
  if (!wanted('latency')) return list;
  for (const format of ['split', 'packed']) {
    const row = scalarRows.find(({ name }) => name === `${format} mergeable`);
    if (row === undefined) throw new Error(`there is no row for ${format} rings`);
    const found = await latencies(row, quick ? 2 : 8, quick ? 300 : 500, cpus);
    console.log(`latency ${row.name}: ${JSON.stringify(found)}`);
    list.push(...found);
  }
  return list;
}

if (ab !== undefined) {
  await compareAll('frontend');
  await compareAll('backend');
  process.exit(0);
}

const results: Results = {
  machine: describeMachine(),
  comparisons: [...(await compareAll('frontend')), ...(await compareAll('backend'))],
  costs: await costs(),
  logs: await logs(),
  asyncs: await asyncCosts(),
  page: wanted('page') ? await pageCost(rounds ?? (quick ? 3 : 15), cpus) : undefined,
  convenient: wanted('convenient') ? convenientWays(quick ? 3 : 9, 300) : [],
  scales: wanted('scale') ? scales() : [],
  switchScales: wanted('switch') ? switchScales() : [],
  switchThreads: wanted('threads') ? switchThreads(rounds ?? (quick ? 3 : 9)) : [],
  firstPackets: wanted('first-packet') ? await firstPackets(quick ? 3 : 15) : [],
  latencies: await allLatencies(),
  wake: wanted('wake') ? await wakeLatency(quick ? 4 : 30, cpus) : [],
  reconnection: wanted('reconnect') ? await reconnection(quick ? 2 : 6, cpus) : [],
  steady: wanted('steady')
    ? await steadyState('mrg_rxbuf=0,in_order=0', quick ? 10_000_000 : 100_000_000)
    : undefined,
};
const text = resultsMarkdown(results);
console.log(`\n${text}`);
if (write) {
  const readme = fileURLToPath(new URL('../README.md', import.meta.url));
  const all = await writeResults(readme, results.machine.name, text);
  writeFileSync(new URL('../ratios.svg', import.meta.url), ratioChart(ratiosIn(all), 64));
  const [first] = results.latencies;
  if (first !== undefined) {
    const ofFirst = results.latencies.filter(({ row }) => row === first.row);
    writeFileSync(new URL('../latency.svg', import.meta.url), latencyChart(ofFirst));
  }
}
