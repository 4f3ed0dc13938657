// The example vhost-blk under QEMU: a stock kernel makes a file system on it, fills it, and finds everything again.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it } from 'vitest';
import { repository } from './checkout.ts';
import { reportOf } from './guest.ts';
import type { Step } from './guest/vhost-user.ts';
import { withoutVectors } from './qemu.ts';

const main = join(repository, 'examples/vhost-blk/dist/main.js');
const imageBytes = 96 * 2 ** 20;

/** A tree that every machine has which runs this: the sources of this checkout. */
const tree = join(repository, 'packages');
const list = `find . -name "*.ts" -not -path "*/node_modules/*" -not -path "*/dist/*"`;
/** How many files there are, and the checksum of all their names and checksums. */
const sums = `${list} | LC_ALL=C sort > /tmp/list; wc -l < /tmp/list; xargs md5sum < /tmp/list | md5sum`;
const mount = 'mount -t ext4 -o discard /dev/vda /tmp/disk';

const queue = '/sys/block/vda/queue';
const limits = ['logical_block_size', 'write_cache', 'discard_max_bytes', 'write_zeroes_max_bytes'];
const steps = {
  disk: [
    'sh',
    `cat /sys/block/vda/size /sys/block/vda/serial; echo; ls /sys/block/vda/mq | wc -l
    cat ${limits.map((limit) => `${queue}/${limit}`).join(' ')}`,
  ],
  mount: ['sh', `mkdir /tmp/disk; ${mount}`],
  copy: ['sh', `cd ${tree}; ${list} > /tmp/list; cpio --quiet -pdm /tmp/disk < /tmp/list; sync`],
  'what it was': ['sh', `cd ${tree}; ${sums}`],
  'mounted again': ['sh', `umount /tmp/disk; echo 3 > /proc/sys/vm/drop_caches; ${mount}`],
  'what it is': ['sh', `cd /tmp/disk; ${sums}`],
  'half of it goes': ['sh', `cd /tmp/disk; rm -r vhost net; sync; fstrim /tmp/disk`],
  'what is left': ['sh', `cd /tmp/disk; ${sums}`],
  'what should be left': [
    'sh',
    `cd ${tree}; ${sums.replace(list, `${list} -not -path "./vhost/*" -not -path "./net/*"`)}`,
  ],
  done: ['sh', `cd /; umount /tmp/disk`],
} satisfies Record<string, Step>;

interface Run {
  readonly reports: Record<keyof typeof steps, unknown>;
  /** What a check of the file system says on this machine, which changes nothing. */
  readonly check: string;
  /** Of the program. */
  readonly exitCode: number | null;
}

async function run(queues: number, packed: boolean): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-vhost-blk-'));
  const socket = join(directory, 'blk.sock');
  const image = join(directory, 'disk.img');
  writeFileSync(image, '');
  truncateSync(image, imageBytes);
  execFileSync('mkfs.ext4', ['-q', '-O', '^metadata_csum', '-m', '0', image]);
  const program: ChildProcess = spawn(process.execPath, [main, '--queues', String(queues), image, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    if (program.stdout === null) throw new Error('the program has no output');
    await once(createInterface(program.stdout), 'line');
    const reports = await reportOf<Run['reports']>('vhost-user', {
      modules: ['disk'],
      arguments: [JSON.stringify(steps)],
      qemu: [
        ['-object', 'memory-backend-memfd,id=memory,size=512M,share=on', '-machine', 'memory-backend=memory'],
        ['-chardev', `socket,id=blk,path=${socket}`],
        [
          '-device',
          `vhost-user-blk-pci,chardev=blk,num-queues=${queues},${withoutVectors},packed=${packed ? 'on' : 'off'}`,
        ],
      ].flat(),
    });
    const exit = once(program, 'exit');
    program.kill('SIGTERM');
    const [exitCode] = (await exit) as [number | null];
    const check = execFileSync('e2fsck', ['-fn', image], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return { reports, check, exitCode };
  } finally {
    program.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  }
}

describe.each([
  ['split', 1, false],
  ['packed', 2, true],
] as const)('a disk with %s rings, %i of them', (_, queues, packed) => {
  let guest: Run;
  beforeAll(async () => {
    guest = await run(queues, packed);
  });

  it('is as large as its image, and says what it can', () => {
    // A guest with one CPU takes one ring into use, however many there are.
    const most = `${0x8000 * 512}`;
    const said = String(guest.reports.disk).trim().split(/\n+/);
    expect(said).toEqual([`${imageBytes / 512}`, 'disk.img', '1', '512', 'write back', most, most]);
  });

  it('has every file as it was copied there, when it is mounted again', () => {
    const { reports } = guest;
    expect([reports.mount, reports.copy, reports['mounted again']]).toEqual(['', '', '']);
    expect(reports['what it is']).toMatch(/^\d{3,}\n[0-9a-f]{32}/);
    expect(reports['what it is']).toBe(reports['what it was']);
  });

  it('keeps what is left when the rest is deleted and discarded', () => {
    const { reports } = guest;
    expect(reports['half of it goes']).toBe('');
    expect(reports['what is left']).toMatch(/^\d{2,}\n[0-9a-f]{32}/);
    expect(reports['what is left']).toBe(reports['what should be left']);
  });

  it('has a file system without a fault', () => {
    expect(guest.reports.done).toBe('');
    expect(guest.check).toMatch(/files \([^)]*\), \d+\/\d+ blocks/);
    expect(guest.exitCode).toBe(0);
  });
});
