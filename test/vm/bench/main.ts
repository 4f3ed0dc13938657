// Packets through the kernel of a guest, vio beside others, or with `--switch` between two guests: `npm run bench:vm`, and with
// `-- --write` into README.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { here } from '../checkout.ts';
import { runInGuest } from '../guest.ts';
import type { Measurement, Window } from '../guest/bench.ts';
import { table } from './report.ts';
import { measureSwitch, switchReport } from './switch.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean' }, switch: { type: 'boolean' }, write: { type: 'boolean' } },
});
const measurement: Measurement = {
  lengths: [64, 1500],
  rounds: values.quick === true ? 3 : 7,
  settle: 300,
  window: 1000,
};

const [command, text] =
  values.switch === true
    ? ['npm run bench:vm -- --switch --write', switchReport(await measureSwitch(measurement.rounds, 3))]
    : ['npm run bench:vm -- --write', `${table(await measure(), measurement.lengths)}\n\n${machine()}`];
console.log(text);
if (values.write === true) write(command, text);

/** A guest with two CPUs sometimes panics as it boots; that is no result. */
async function measure(attempts = 4): Promise<Window[]> {
  const {
    exitCode,
    stdout,
    stderr,
    console: said,
  } = await runInGuest('bench', {
    modules: ['bench'],
    arguments: [JSON.stringify(measurement)],
    compiled: true,
    cpus: 2,
    timeout: 900_000,
  });
  if (/Kernel panic/.test(said) && attempts > 1) return measure(attempts - 1);
  if (exitCode !== 0) throw new Error(`the guest failed:\n${stderr}\n${said}`);
  return JSON.parse(stdout) as Window[];
}

function machine(): string {
  const [cpu] = cpus();
  const { rounds } = measurement;
  return `Ratios of packets per second, ours to theirs: medians of ${rounds} windows, in brackets the lowest and the highest. Guest: two CPUs, QEMU's TCG, Linux 6.12, Node ${process.versions.node}, DPDK 22.11. Host: ${cpu.model}, QEMU on two CPUs.`;
}

function write(by: string, results: string): void {
  const file = join(here, 'bench/README.md');
  const [begin, end] = [`<!-- results: ${by} -->`, '<!-- end of results -->'];
  const old = readFileSync(file, 'utf8');
  const from = old.indexOf(begin);
  const to = old.indexOf(end, from);
  if (from === -1 || to < from) throw new Error(`${file} has no markers for results`);
  writeFileSync(file, `${old.slice(0, from + begin.length)}\n\n${results}\n\n${old.slice(to)}`);
}
