// TCP between two cards of a guest, whose wire is a backend of ours that dies on the way and has a successor.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { reportOf } from './guest.ts';
import type { EchoReport } from './guest/tcp-echo.ts';
import type { Step } from './guest/vhost-user.ts';
import { withoutVectors } from './qemu.ts';
import { superviseBackends } from './supervisor.ts';
import type { Said } from './vhost-user-plan.ts';

const bytes = 4 << 20;
const deaths = 2;
/** Split rings at the one end, packed ones at the other. */
const ends = [
  { space: 'near', mac: '52:54:00:00:30:00', address: '10.30.0.1', packed: 'off' },
  { space: 'far', mac: '52:54:00:00:30:01', address: '10.30.0.2', packed: 'on' },
] as const;
const [near, far] = ends;

const up = ends.map(
  ({ space, mac, address }) => `
    card=$(grep -l ${mac} /sys/class/net/*/address); card=$(basename $(dirname $card))
    ip netns add ${space}; ip link set $card netns ${space} name eth0
    ip -n ${space} address add ${address}/24 dev eth0; ip -n ${space} link set eth0 up`,
);
const steps = {
  up: ['sh', up.join('\n')],
  ping: ['sh', `ip netns exec ${near.space} ping -c 3 -i 0.2 -W 5 ${far.address}`],
  tcp: ['tcp', near.space, far.space, far.address, bytes, deaths],
} satisfies Record<string, Step>;

async function run() {
  const directory = mkdtempSync(join(tmpdir(), 'vio-vhost-user-tcp-'));
  const sockets = ends.map(({ space }) => join(directory, `${space}.sock`));
  const backends = await superviseBackends<Said>(directory, 'vhost-user-wire-backend', sockets);
  try {
    const reports = await reportOf<Record<keyof typeof steps, unknown>>('vhost-user', {
      modules: ['net'],
      arguments: [JSON.stringify(steps)],
      timeout: 360_000,
      witness: backends.state,
      qemu: [
        ['-object', 'memory-backend-memfd,id=memory,size=512M,share=on', '-machine', 'memory-backend=memory'],
        ...ends.flatMap(({ space, mac, packed }, end) => [
          ['-chardev', `socket,id=wire-${space},path=${sockets[end]},reconnect=1`],
          ['-netdev', `vhost-user,id=net-${space},chardev=wire-${space}`],
          ['-device', `virtio-net-pci,netdev=net-${space},mac=${mac},${withoutVectors},packed=${packed}`],
        ]),
      ].flat(),
    });
    return { reports, ...backends };
  } finally {
    await backends.stop();
    rmSync(directory, { recursive: true });
  }
}

let guest: Awaited<ReturnType<typeof run>>;
beforeAll(async () => {
  guest = await run();
});

it('goes on where it was over backends that are killed, and every byte comes back', () => {
  expect(guest.reports.ping).toMatch(/3 received, 0% packet loss/);
  expect(guest.reports.tcp).toEqual({ sent: bytes, received: bytes, same: true } satisfies EchoReport);
  expect(guest.ends).toEqual([...Array.from({ length: deaths }, () => 'SIGKILL'), 'SIGTERM']);
});

it('is refused nothing, and breaks nothing', () => {
  expect(guest.lives.flat().flatMap(({ trouble = [] }) => trouble)).toEqual([]);
});
