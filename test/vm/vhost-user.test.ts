// Our vhost backend under QEMU, whose driver is a stock kernel's: several pairs of either format, and backends that die.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { reportOf } from './guest.ts';
import type { Step } from './guest/vhost-user.ts';
import { withoutVectors } from './qemu.ts';
import { superviseBackends } from './supervisor.ts';
import type { Said } from './vhost-user-plan.ts';

const ours = '10.1.0.1';
const theirs = '10.1.0.2';
const pairs = 4;

const up = `ip address add ${ours}/24 dev eth0; ip link set eth0 up`;
const ping = `ping -c 3 -i 0.2 -W 5 ${theirs}`;

const steps = {
  up: ['sh', up],
  ping: ['sh', ping],
  'one pair': ['exchange', theirs, 300, 4],
  pairs: ['sh', `ethtool -L eth0 combined ${pairs}; ethtool -l eth0`],
  'all pairs': ['exchange', theirs, 25, 32],
  'bound again': [
    'sh',
    `cd /sys/bus/virtio/drivers/virtio_net; device=$(basename $(readlink -f /sys/class/net/eth0/device))
    echo $device > unbind; test ! -e /sys/class/net/eth0; echo $device > bind; ${up}; ${ping}`,
  ],
  'pairs again': ['sh', `ethtool -L eth0 combined ${pairs}`],
  death: ['survive', theirs, 100, 4],
  'another death': ['survive', theirs, 100, 4],
  afterwards: ['exchange', theirs, 25, 32],
  'ping afterwards': ['sh', ping],
  reboot: ['reboot'],
  'up again': ['sh', up],
  'ping again': ['sh', ping],
  'pairs after the reboot': ['sh', `ethtool -L eth0 combined ${pairs}`],
  'after the reboot': ['exchange', theirs, 25, 32],
} satisfies Record<string, Step>;

const answered = /3 received, 0% packet loss/;

/** Who listens on the socket: the backend, or QEMU (`server=on`), and the backend connects. */
type Listener = 'backend' | 'QEMU';

async function run(packed: boolean, listener: Listener) {
  const directory = mkdtempSync(join(tmpdir(), 'vio-vhost-user-'));
  const socket = join(directory, 'vhost.sock');
  const role = listener === 'QEMU' ? 'client' : 'server';
  const backends = await superviseBackends<Said>(directory, 'vhost-user-backend', [
    socket,
    String(pairs),
    theirs,
    role,
  ]);
  try {
    const reports = await reportOf<Record<keyof typeof steps, unknown>>('vhost-user', {
      modules: ['net'],
      arguments: [JSON.stringify(steps)],
      reboots: true,
      timeout: 400_000,
      witness: backends.state,
      qemu: [
        ['-object', 'memory-backend-memfd,id=memory,size=512M,share=on', '-machine', 'memory-backend=memory'],
        ['-chardev', `socket,id=backend,path=${socket},${listener === 'QEMU' ? 'server=on' : 'reconnect=1'}`],
        ['-netdev', `vhost-user,id=net,chardev=backend,queues=${pairs}`],
        ['-device', `virtio-net-pci,netdev=net,mq=on,${withoutVectors},packed=${packed ? 'on' : 'off'}`],
      ].flat(),
    });
    return { reports, ...backends };
  } finally {
    await backends.stop();
    rmSync(directory, { recursive: true });
  }
}

describe.each([
  ['split', 'backend', false],
  ['packed', 'backend', true],
  ['split', 'QEMU', false],
  ['packed', 'QEMU', true],
] as const)('a Linux guest with four pairs of %s rings, the %s listens', (_, listener, packed) => {
  let guest: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    guest = await run(packed, listener);
  });

  it('has a network', () => {
    expect([guest.reports.up, guest.reports.ping]).toEqual(['', expect.stringMatching(answered)]);
    expect(guest.lives[0]).toContainEqual({ device: { packed, pairs: 1 } });
  });

  it('gets back every bit it sends by one pair', () => {
    expect(guest.reports['one pair']).toEqual({ right: 1200, wrong: 0 });
  });

  it('takes all pairs into use, and gets back every bit it sends by them', () => {
    expect(guest.reports.pairs).toMatch(/Current hardware settings:[^]*Combined:\s*4/);
    expect(guest.reports['all pairs']).toEqual({ right: 800, wrong: 0 });
    const [first] = guest.lives;
    const [by] = first.flatMap(({ datagrams }) => (datagrams === undefined ? [] : [datagrams]));
    expect(by).toHaveLength(pairs);
    for (const datagrams of by) expect(datagrams).toBeGreaterThan(0);
  });

  it('works as before when its driver is unbound and bound again', () => {
    expect([guest.reports['bound again'], guest.reports['pairs again']]).toEqual([
      expect.stringMatching(answered),
      '',
    ]);
  });

  it('goes on over backends that are killed in the middle of a burst', () => {
    expect(guest.ends).toEqual(['SIGKILL', 'SIGKILL', 'SIGTERM']);
    expect([guest.reports.death, guest.reports['another death']]).toEqual([
      { right: 400, wrong: 0 },
      { right: 400, wrong: 0 },
    ]);
    for (const said of guest.lives.slice(1)) expect(said).toContainEqual({ device: { packed, pairs } });
  });

  it('says bases of packed rings that are stale then, which are corrected', () => {
    for (const said of guest.lives.slice(1)) {
      expect(said.some(({ corrected }) => corrected !== undefined)).toBe(packed);
    }
  });

  it('loses nothing afterwards', () => {
    expect(guest.reports.afterwards).toEqual({ right: 800, wrong: 0 });
    expect(guest.reports['ping afterwards']).toMatch(answered);
  });

  it('starts again, and works as before', () => {
    const { reports } = guest;
    expect([reports['up again'], reports['ping again']]).toEqual(['', expect.stringMatching(answered)]);
    expect([reports['pairs after the reboot'], reports['after the reboot']]).toEqual([
      '',
      { right: 800, wrong: 0 },
    ]);
  });

  it('is refused nothing, and breaks nothing', () => {
    expect(guest.lives.flat().flatMap(({ trouble = [] }) => trouble)).toEqual([]);
  });
});
