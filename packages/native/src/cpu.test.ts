import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { cpuAffinity, cpuFeatures, setCpuAffinity } from './cpu.ts';
import { runChild } from './test-support/child.ts';

describe('CPU affinity', () => {
  it('is what the system says', () => {
    const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
    const cpus = list.split(',').flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
    expect(cpuAffinity()).toEqual(cpus);
  });

  it('is set for the thread', async () => {
    const cpu = cpuAffinity().at(-1);
    const { stdout } = await runChild(`native.setCpuAffinity([${cpu}]); print(native.cpuAffinity());`);
    expect(JSON.parse(stdout)).toEqual([cpu]);
  });

  it('of a worker thread leaves the other threads where they are', async () => {
    const before = cpuAffinity();
    const cpu = before[0];
    const worker = new Worker(
      `import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}).then((native) => {
        native.setCpuAffinity([${cpu}]);
        require('node:worker_threads').parentPort.postMessage(native.cpuAffinity());
      })`,
      { eval: true },
    );
    const inWorker = await new Promise((resolve) => {
      worker.once('message', resolve);
    });
    await worker.terminate();
    expect([inWorker, cpuAffinity()]).toEqual([[cpu], before]);
  });

  it.each([[[]], [[1023]], [[-1]], [[4096]]])('cannot be %j', (cpus) => {
    expect(failureOf(() => setCpuAffinity(cpus)).code).toBe('VIO_SYS_EINVAL');
  });
});

describe('CPU features', () => {
  it('are those the system reports', () => {
    const flags =
      /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].split(' ') ?? [];
    expect(cpuFeatures()).toEqual({
      arch: process.arch,
      avx2: flags.includes('avx2'),
      avx512f: flags.includes('avx512f'),
      neon: flags.includes('asimd'),
    });
  });
});
