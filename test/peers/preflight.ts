// What DPDK's testpmd needs of the machine. Missing pieces are put in place when root may, and named when not:
// a test without its peer fails, it is not skipped.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { testpmdProgram, testpmdVariable } from './program.ts';

export { testpmdProgram, testpmdVariable } from './program.ts';

const hugeDirectory = '/dev/hugepages';
const runDirectory = '/var/run/dpdk';
const pagesFile = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';
const freeFile = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages';
const programs = {
  [testpmdProgram]: testpmdProgram === 'dpdk-testpmd' ? 'dpdk-dev' : undefined,
  script: 'bsdutils',
  setpriv: 'util-linux',
  taskset: 'util-linux',
};

/** Prefix of every testpmd this project starts: ours, then the starting process, then a number. */
export const filePrefix = (serial: number): string => `vio-${process.pid}-${serial}`;
const ours = /^vio-(\d+)-\d+/;

/**
 * Makes sure that testpmd can start.
 * @param megabytes of free 2 MiB hugepages that are needed at once
 * @throws Error that names everything missing and the command that helps
 */
export function preflight(megabytes: number): void {
  removeLeftovers();
  const missing = [...missingPrograms(), ...missingHugepages(Math.ceil(megabytes / 2)), ...missingMount()];
  if (availableParallelism() < 2) missing.push('two CPUs: a polling peer needs one of its own');
  if (missing.length > 0) throw new Error(`testpmd cannot run here. Missing:\n- ${missing.join('\n- ')}`);
}

function missingPrograms(): string[] {
  const absent = Object.entries(programs).filter(
    ([program]) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status !== 0,
  );
  return absent.map(([program, debian]) =>
    debian === undefined
      ? `${program}, which ${testpmdVariable} names: correct it`
      : `${program}: apt-get install ${debian}`,
  );
}

const readCount = (file: string): number => Number(readFileSync(file, 'utf8'));

function missingHugepages(needed: number): string[] {
  const free = readCount(freeFile);
  if (free >= needed) return [];
  const wanted = readCount(pagesFile) - free + needed;
  try {
    writeFileSync(pagesFile, String(wanted));
  } catch {
    // Not root: the check below says what to do.
  }
  if (readCount(freeFile) >= needed) return [];
  return [
    `${needed} free hugepages of 2 MiB (there are ${readCount(freeFile)}): echo ${wanted} > ${pagesFile}`,
  ];
}

function missingMount(): string[] {
  const mounted = (): boolean =>
    readFileSync('/proc/mounts', 'utf8').includes(` ${hugeDirectory} hugetlbfs `);
  if (mounted()) return [];
  try {
    mkdirSync(hugeDirectory, { recursive: true });
  } catch {
    // Not root: mount says so, too.
  }
  spawnSync('mount', ['-t', 'hugetlbfs', 'none', hugeDirectory]);
  return mounted() ? [] : [`hugetlbfs: mount -t hugetlbfs none ${hugeDirectory}`];
}

/** Ends what an earlier run left behind when it was killed: processes, hugepage files, run directories. */
function removeLeftovers(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const words = commandLine(pid);
    const prefix = words.find((word) => word.startsWith('--file-prefix='))?.slice('--file-prefix='.length);
    if (prefix !== undefined && isOrphan(prefix)) {
      process.kill(Number(pid), 'SIGKILL');
    }
  }
  for (const directory of [hugeDirectory, runDirectory]) {
    for (const name of entries(directory)) {
      if (isOrphan(name)) rmSync(join(directory, name), { recursive: true, force: true });
    }
  }
}

function isOrphan(name: string): boolean {
  const owner = ours.exec(name)?.[1];
  return owner !== undefined && commandLine(owner).length === 0;
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** What testpmd leaves in hugetlbfs and the run directory when it could not clean up itself. */
export function removeFiles(prefix: string): void {
  for (const name of entries(hugeDirectory).filter((entry) => entry.startsWith(`${prefix}map_`))) {
    rmSync(join(hugeDirectory, name), { force: true });
  }
  rmSync(join(runDirectory, prefix), { recursive: true, force: true });
}
