// Our vhost backend under QEMU, whose driver maps each buffer for as long as the device has it, and no longer.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundle } from './bundle.ts';
import { here } from './checkout.ts';
import { reportOf } from './guest.ts';
import type { Step } from './guest/vhost-user.ts';
import { buildPageGuard } from './iommu-guard.ts';
import { withoutVectors } from './qemu.ts';
import type { IommuSaid, Watch } from './vhost-user-iommu-plan.ts';

const ours = '10.1.0.1';
const theirs = '10.1.0.2';
const pairs = 2;
/** Milliseconds after which a datagram is sent again: a guest whose every buffer is mapped by messages is slow, and loses some itself. */
const resend = 1000;

const up = `ip address add ${ours}/24 dev eth0; ip link set eth0 up`;
const ping = `ping -c 3 -i 0.2 -W 5 ${theirs}`;

const steps = {
  up: ['sh', up],
  domain: ['sh', 'cat $(readlink -f /sys/class/net/eth0/device/..)/iommu_group/type'],
  ping: ['sh', ping],
  'one pair': ['exchange', theirs, 100, 4, resend],
  pairs: ['sh', `ethtool -L eth0 combined ${pairs}; ethtool -l eth0`],
  'all pairs': ['exchange', theirs, 25, 8, resend],
  'bound again': [
    'sh',
    `cd /sys/bus/virtio/drivers/virtio_net; device=$(basename $(readlink -f /sys/class/net/eth0/device))
    echo $device > unbind; test ! -e /sys/class/net/eth0; echo $device > bind; ${up}; ${ping}`,
  ],
  afterwards: ['exchange', theirs, 25, 4, resend],
} satisfies Record<string, Step>;

const answered = /3 received, 0% packet loss/;

/** A backend beside QEMU, and all that it said. */
async function startBackend(directory: string, socket: string, watch: Watch) {
  const program = join(directory, 'backend.mjs');
  await bundle(join(here, 'vhost-user-iommu-backend.ts'), program);
  const guard = watch === 'guard' ? [buildPageGuard(directory)] : [];
  const node = spawn(process.execPath, [program, socket, String(pairs), theirs, watch, ...guard], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: IommuSaid[] = [];
  const ended = new Promise<unknown>((resolve) =>
    node.on('close', (code, signal) => resolve(code ?? signal)),
  );
  await new Promise<void>((resolve) => {
    createInterface(node.stdout).on('line', (line) => {
      const what = JSON.parse(line) as IommuSaid;
      said.push(what);
      if (what.listens) resolve();
    });
    node.on('close', () => resolve());
  });
  return {
    said,
    /** @returns what ended it */
    stop: () => {
      node.kill('SIGTERM');
      return ended;
    },
  };
}

async function run(packed: boolean, watch: Watch) {
  const directory = mkdtempSync(join(tmpdir(), 'vio-vhost-user-iommu-'));
  const socket = join(directory, 'vhost.sock');
  const backend = await startBackend(directory, socket, watch);
  const properties = `disable-legacy=on,iommu_platform=on,ats=on,${withoutVectors},packed=${packed ? 'on' : 'off'}`;
  try {
    const reports = await reportOf<Record<keyof typeof steps, unknown>>('vhost-user', {
      modules: ['net'],
      arguments: [JSON.stringify(steps)],
      kernel: 'intel_iommu=on iommu.strict=1',
      timeout: 240_000,
      qemu: [
        ['-device', 'intel-iommu,intremap=off,device-iotlb=on'],
        ['-object', 'memory-backend-memfd,id=memory,size=512M,share=on', '-machine', 'memory-backend=memory'],
        ['-chardev', `socket,id=backend,path=${socket}`],
        ['-netdev', `vhost-user,id=net,chardev=backend,queues=${pairs}`],
        ['-device', `virtio-net-pci,netdev=net,mq=on,${properties}`],
      ].flat(),
    });
    return { reports, said: backend.said, end: await backend.stop() };
  } finally {
    await backend.stop();
    rmSync(directory, { recursive: true });
  }
}

describe.each([
  ['split rings, every copy audited', false, 'audit'],
  ['packed rings, every copy audited', true, 'audit'],
  ['split rings, memory that is there only where it is mapped', false, 'guard'],
  ['packed rings, memory that is there only where it is mapped', true, 'guard'],
] as const)('a Linux guest with strict DMA and %s', (_, packed, watch) => {
  let guest: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    guest = await run(packed, watch);
  });

  it('has its card behind the I/O MMU, which unmaps at once', () => {
    expect(guest.said).toContainEqual({ device: { packed, platform: true } });
    expect(guest.reports.domain).toBe('DMA\n');
  });

  it('has a network', () => {
    expect([guest.reports.up, guest.reports.ping]).toEqual(['', expect.stringMatching(answered)]);
  });

  it('gets back every bit it sends, by one pair and by all', () => {
    expect(guest.reports['one pair']).toEqual({ right: 400, wrong: 0 });
    expect(guest.reports.pairs).toMatch(/Current hardware settings:[^]*Combined:\s*2/);
    expect(guest.reports['all pairs']).toEqual({ right: 200, wrong: 0 });
  });

  it('works as before when its driver is unbound, which takes all mappings away, and bound again', () => {
    expect(guest.reports['bound again']).toMatch(answered);
    expect(guest.reports.afterwards).toEqual({ right: 100, wrong: 0 });
  });

  it('is refused nothing, and breaks nothing', () => {
    expect(guest.said.flatMap(({ trouble = [] }) => trouble)).toEqual([]);
  });

  it('has its memory touched only where it is mapped at that moment', () => {
    const [audit] = guest.said.flatMap(({ audit: each }) => (each === undefined ? [] : [each]));
    expect(audit.wrong).toBe(0);
    expect(audit.copies > 1000).toBe(watch === 'audit');
    // And not SIGSEGV, of which dies who touches another page with `guard`.
    expect(guest.end).toBe('SIGTERM');
    for (const count of [audit.misses, audit.updates, audit.invalidations, audit.unmapped])
      expect(count).toBeGreaterThan(500);
  });

  if (watch === 'audit') return;
  it('has most of its memory away from its backend, which comes and goes page by page', () => {
    const [guard] = guest.said.flatMap(({ audit: each }) => (each?.guard === undefined ? [] : [each.guard]));
    expect(guard.changes).toBeGreaterThan(1000);
    expect(guard.away).toBeGreaterThan(100_000);
  });
});
