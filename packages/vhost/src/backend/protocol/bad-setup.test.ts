import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import type { ScriptedFrontend } from '../../testing/index.ts';
import {
  type Request,
  VHOST_USER_F_PROTOCOL_FEATURES,
  frontendRequests as requests,
} from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest, type Instead, baseIs, driverReady } from '../../test-support/guest.ts';
import { Pair } from '../../test-support/pair.ts';

describe('a ring that cannot run is refused when it is complete:', () => {
  type Change = [
    what: string,
    code: string,
    change: (frontend: ScriptedFrontend, guest: Guest) => Promise<void>,
  ];
  /** All but the last message of a start, which runs the rings. */
  const incomplete = (guest: Guest, instead: Instead): Promise<Pair> =>
    Pair.start({ guest, instead: { ...instead, SET_STATUS: 'skip' } });
  const address = (frontend: ScriptedFrontend, guest: Guest, part: string, value: number) =>
    frontend.send(requests.SET_VRING_ADDR, { ...guest.address(0), [part]: value });
  const end = 0x7f00_0008_0000;

  const changes: Change[] = [
    ['descriptors in no region', 'VIO_VHOST_RING', (f, g) => address(f, g, 'descriptors', 0)],
    ['a driver area in no region', 'VIO_VHOST_RING', (f, g) => address(f, g, 'driver', 0)],
    ['a device area in no region', 'VIO_VHOST_RING', (f, g) => address(f, g, 'device', 0)],
    [
      'descriptors across the end of a region',
      'VIO_VHOST_RING',
      (f, g) => address(f, g, 'descriptors', end - 112),
    ],
    ['a driver area across the end', 'VIO_VHOST_RING', (f, g) => address(f, g, 'driver', end - 16)],
    ['a device area across the end', 'VIO_VHOST_RING', (f, g) => address(f, g, 'device', end - 64)],
  ];

  it.each(changes.map(([what, code, change]) => ({ what, code, change })))(
    '$what: $code',
    async ({ code, change }) => {
      const guest = new Guest();
      await using pair = await incomplete(guest, { 'SET_VRING_ADDR 0': (f) => change(f, guest) });
      const { backend, frontend } = pair;
      expect(await frontend.acknowledged(requests.SET_STATUS, driverReady)).toBe(1n);
      await until(() => backend.refused.length > 0);
      expect(backend.events.slice(-2)).toEqual(['vringStateChanged 0 1 on', `refused 0 ${code}`]);
    },
  );

  it('and runs when its address is corrected', async () => {
    const guest = new Guest();
    await using pair = await incomplete(guest, {
      'SET_VRING_ADDR 0': (f) => address(f, guest, 'device', 0),
    });
    const { backend, frontend } = pair;
    await frontend.acknowledged(requests.SET_STATUS, driverReady);
    await frontend.acknowledged(requests.SET_VRING_ADDR, guest.address(0));
    await handled(frontend);
    expect(backend.events.at(-1)).toBe('newDevice 0');
  });

  it('once: what comes next is met', async () => {
    await using pair = await Pair.start();
    const { guest, frontend } = pair;
    const nowhere = { ...guest.address(0), device: 0 };
    const answers = [
      await frontend.acknowledged(requests.SET_VRING_ADDR, nowhere),
      await frontend.acknowledged(requests.NET_SET_MTU, 1500),
    ];
    expect(answers).toEqual([1n, 0n]);
  });

  it('a packed base beyond the ring: VIO_RING_BASE', async () => {
    const guest = new Guest({
      features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED,
      ring: { format: 'packed' },
    });
    await using pair = await incomplete(guest, { 'SET_VRING_BASE 0': baseIs(0x8009) });
    const { backend, frontend } = pair;
    expect(await frontend.acknowledged(requests.SET_STATUS, driverReady)).toBe(1n);
    expect(backend.refused.map(({ code }) => code)).toEqual(['VIO_RING_BASE']);
  });

  it('a packed size for what became a split ring: VIO_RING_SIZE', async () => {
    const guest = new Guest();
    await using pair = await incomplete(guest, {
      SET_OWNER: async (f) => {
        await f.send(requests.SET_FEATURES, guest.features | VIRTIO_F_RING_PACKED);
        await f.send(requests.SET_VRING_NUM, { index: 0, value: 7 });
      },
      'SET_VRING_NUM 0': 'skip',
    });
    const { backend, frontend } = pair;
    expect(await frontend.acknowledged(requests.SET_STATUS, driverReady)).toBe(1n);
    expect(backend.refused.map(({ code }) => code)).toEqual(['VIO_RING_SIZE']);
  });

  it('memory without the rings that run', async () => {
    await using pair = await Pair.start();
    const { backend, guest, frontend } = pair;
    const elsewhere = [{ ...guest.regions[0], userAddress: 0 }];
    expect(await frontend.acknowledged(requests.SET_MEM_TABLE, elsewhere, { fds: [guest.fd] })).toBe(1n);
    expect(backend.events.slice(-3)).toEqual([
      'vringStateChanged 0 0 off',
      'vringStateChanged 0 1 off',
      'refused 0 VIO_VHOST_RING',
    ]);
  });
});

it('a file with a name that would forge lines in a log is named in escapes', async () => {
  await using backend = await TestBackend.start();
  const frontend = await backend.connect();
  const directory = mkdtempSync(join(tmpdir(), 'vio-name-'));
  const fd = openSync(join(directory, 'x\nroot: all clear \u001b[2J'), 'w+');
  const payload = { index: 0, hasFd: true };
  await frontend.send(requests.SET_VRING_CALL, payload, { fds: [fd], needReply: true });
  await until(() => backend.refused.length > 0);
  closeSync(fd);
  rmSync(directory, { recursive: true });
  expect(backend.refused[0].message).toMatch(/^[\x20-\x7e]*x\\u000aroot: all clear \\u001b\[2J" came$/);
});

describe('while a device runs', () => {
  it('features cannot change for rings other than the first pair either', async () => {
    await using pair = await Pair.start({ guest: { rings: 4 } });
    const { frontend } = pair;
    for (const index of [0, 1]) await frontend.send(requests.SET_VRING_ENABLE, { index, value: 0 });
    expect(await frontend.acknowledged(requests.SET_FEATURES, VHOST_USER_F_PROTOCOL_FEATURES)).toBe(1n);
  });

  it('what it has may be said again', async () => {
    await using pair = await Pair.start();
    const { backend, guest, frontend } = pair;
    const answers = [
      await frontend.acknowledged(requests.SET_FEATURES, guest.features),
      await frontend.acknowledged(requests.SET_VRING_NUM, { index: 0, value: guest.size }),
    ];
    expect([answers, backend.events.at(-1)]).toEqual([[0n, 0n], 'newDevice 0']);
  });

  it.each([
    ['features', requests.SET_FEATURES, VHOST_USER_F_PROTOCOL_FEATURES, 'VIO_VHOST_FEATURES'],
    ['the size of a ring', requests.SET_VRING_NUM, { index: 0, value: 4 }, 'VIO_VHOST_STATE'],
  ] as const)('%s cannot change', async (_, request, payload, code) => {
    await using pair = await Pair.start();
    const { backend, frontend } = pair;
    expect(await frontend.acknowledged(request as Request<unknown, undefined>, payload)).toBe(1n);
    expect(backend.refused.map((reason) => reason.code)).toEqual([code]);
  });
});

describe('a message out of its usual order does no harm:', () => {
  const orders: [string, (names: string[]) => string[]][] = [
    ['rings before memory', (names) => [...names.filter((n) => n !== 'SET_MEM_TABLE'), 'SET_MEM_TABLE']],
    ['kicks first', (names) => names.toSorted((a, b) => Number(/KICK/.test(b)) - Number(/KICK/.test(a)))],
    ['backwards', (names) => ['SET_FEATURES', ...names.filter((n) => n !== 'SET_FEATURES').toReversed()]],
  ];
  it.each(orders)('%s', async (_, order) => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    const frontend = await backend.connect();
    const steps = new Map(guest.steps().map((step) => [step.name, step]));
    for (const name of order([...steps.keys()])) await steps.get(name)!.run(frontend);
    await handled(frontend);
    expect(backend.events.at(-1)).toBe('newDevice 0');
  });
});
