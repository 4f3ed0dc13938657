import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { testpmdProgram, testpmdVariable } from '@vio/test/preflight';

/** What the numbers were measured on. */
export interface Machine {
  /** Processor and peer: numbers of another one are another table. */
  readonly name: string;
  /** Markdown list items. */
  readonly lines: readonly string[];
}

export function describeMachine(): Machine {
  const [cpu] = cpus();
  const hypervisor = /^flags.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  const dpdk = /RTE Version: '(.*)'/.exec(
    execFileSync(
      'sh',
      ['-c', '"$1" --no-huge --no-pci --no-shconf -v -- --help 2>&1 || true', 'sh', testpmdProgram],
      {
        encoding: 'utf8',
      },
    ),
  );
  const peer = dpdk?.[1] ?? 'DPDK of unknown version';
  const named = testpmdProgram === 'dpdk-testpmd' ? '' : ` (${testpmdVariable} names it)`;
  const lines = [
    `- ${cpus().length} x ${cpu.model}${hypervisor ? ', virtual CPUs' : ''}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${cacheSizes()}`,
    `- Linux ${release()}, Node ${process.versions.node} (V8 ${process.versions.v8}), ${peer}${named}`,
    `- Load of the machine before the first measurement: ${loadavg()[0].toFixed(1)}`,
  ];
  return { name: `${cpu.model.trim()}, ${peer}`, lines };
}

function cacheSizes(): string {
  return `L1d ${cacheSize(0)}, L2 ${cacheSize(2)}, L3 ${cacheSize(3)}`;
}

function cacheSize(index: number): string {
  try {
    return readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${index}/size`, 'utf8').trim();
  } catch {
    return '?';
  }
}
