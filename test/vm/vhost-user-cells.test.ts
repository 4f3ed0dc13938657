// The switch of examples/ under QEMU: cards of every kind in one guest, two and two on one wire.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_RSS,
} from '@vio/net';
import { VIRTIO_F_RING_PACKED } from '@vio/rings';
import { beforeAll, describe, expect, it } from 'vitest';
import { reportOf } from './guest.ts';
import type { EchoReport } from './guest/tcp-echo.ts';
import type { Step } from './guest/vhost-user.ts';
import { withoutVectors } from './qemu.ts';
import { type SwitchEnd, startSwitch } from './switch.ts';

/** One end of a wire. */
interface Card {
  readonly packed?: boolean;
  /** Default true. */
  readonly mergeable?: boolean;
  /** As QEMU takes them. */
  readonly properties?: string;
}

interface Cell {
  readonly pairs: number;
  readonly ends: readonly [near: Card, far: Card];
  /** QEMU listens, and the switch connects. */
  readonly client?: boolean;
}

const packed = true;
const mergeable = false;
/**
 * The switch offers both. QEMU 7.2 takes over hashes wherever the backend has them, and RSS from a tap only, to which it gives an eBPF
 * program: never from a vhost-user backend, not even with `rss=on`.
 */
const hashes = 'hash=on,rss=on';
const cells: Readonly<Record<string, Cell>> = {
  '1 pair, split and packed': { pairs: 1, ends: [{}, { packed }] },
  '1 pair, not mergeable': { pairs: 1, ends: [{ packed, mergeable }, { mergeable }] },
  '2 pairs, split, and packed and not mergeable': { pairs: 2, ends: [{}, { packed, mergeable }] },
  '4 pairs, packed, and split and not mergeable': { pairs: 4, ends: [{ packed }, { mergeable }] },
  '8 pairs, split and packed': { pairs: 8, ends: [{}, { packed }] },
  '8 pairs, not mergeable': { pairs: 8, ends: [{ packed, mergeable }, { mergeable }] },
  '8 pairs, QEMU listens': { pairs: 8, ends: [{ packed }, {}], client: true },
  '2 pairs, with the hash of packets': {
    pairs: 2,
    ends: [{ properties: hashes }, { packed, properties: hashes }],
  },
  'one end takes no large packets': {
    pairs: 1,
    ends: [{}, { packed, properties: 'guest_tso4=off,guest_tso6=off,guest_ufo=off,guest_csum=off' }],
  },
};
const names = Object.keys(cells);

const macOf = (cell: number, end: number): string => `52:54:00:00:${10 + cell}:0${end}`;
const spaceOf = (cell: number, end: number): string => `${end === 0 ? 'near' : 'far'}${cell}`;
const addressOf = (cell: number, end: number): string => `10.20.${cell}.${end + 1}`;
const inside = (cell: number, end: number): string => `ip netns exec ${spaceOf(cell, end)}`;
const ping = (cell: number, more = ''): string =>
  `${inside(cell, 0)} ping -c 3 -i 0.2 -W 5 ${more} ${addressOf(cell, 1)}`;
const carrier = (cell: number, state: 0 | 1): string =>
  `for i in $(seq 100); do
    test $(${inside(cell, 0)} cat /sys/class/net/eth0/carrier) = ${state} && break; sleep 0.1
  done; ${inside(cell, 0)} cat /sys/class/net/eth0/carrier`;

/** @returns the shell commands that bring a card up in a namespace of its own; they print the features its driver negotiated */
function up(cell: number, end: number): string {
  const space = spaceOf(cell, end);
  const { pairs } = cells[names[cell]];
  return `
    card=$(grep -l ${macOf(cell, end)} /sys/class/net/*/address); card=$(basename $(dirname $card))
    cat /sys/class/net/$card/device/features
    ip netns add ${space}; ip link set $card netns ${space} name eth0
    ${pairs > 1 ? `${inside(cell, end)} ethtool -L eth0 combined ${pairs}` : ''}
    ip -n ${space} address add ${addressOf(cell, end)}/24 dev eth0; ip -n ${space} link set eth0 mtu 9000 up`;
}

/** @param state on or off */
const offloads = (cell: number, state: string): string =>
  [0, 1]
    .map(
      (end) =>
        `${inside(cell, end)} ethtool -K eth0 tx ${state} tso ${state} gso ${state} gro ${state} sg ${state}`,
    )
    .join('; ');

/** The steps of a cell. */
function stepsOf(cell: number): Record<string, Step> {
  const tcp = (bytes: number): Step => ['tcp', spaceOf(cell, 0), spaceOf(cell, 1), addressOf(cell, 1), bytes];
  return {
    [`${cell} near`]: ['sh', up(cell, 0)],
    [`${cell} far`]: ['sh', up(cell, 1)],
    [`${cell} ping`]: ['sh', ping(cell)],
    [`${cell} jumbo`]: ['sh', ping(cell, '-s 8972 -M do')],
    [`${cell} tcp`]: tcp(4 << 20),
    [`${cell} off`]: ['sh', offloads(cell, 'off')],
    [`${cell} tcp without`]: tcp(1 << 20),
    [`${cell} link off`]: ['monitor', `set_link card${cell}-0 off`, carrier(cell, 0)],
    [`${cell} link on`]: ['monitor', `set_link card${cell}-0 on`, `${carrier(cell, 1)}; ${ping(cell)}`],
  };
}

const steps: Record<string, Step> = Object.assign({}, ...names.map((_, cell) => stepsOf(cell)));

/** What QEMU makes of a card on a socket. */
function qemuCard(socket: string, cell: number, end: number): string[] {
  const { pairs, ends, client = false } = cells[names[cell]];
  const { packed: isPacked = false, mergeable: isMergeable = true, properties = '' } = ends[end];
  const id = `${cell}-${end}`;
  return [
    ['-chardev', `socket,id=wire${id},path=${socket},${client ? 'server=on' : 'reconnect=1'}`],
    ['-netdev', `vhost-user,id=net${id},chardev=wire${id},queues=${pairs}`],
    [
      '-device',
      [
        `virtio-net-pci,id=card${id},netdev=net${id},mac=${macOf(cell, end)},${withoutVectors}`,
        `mq=${pairs > 1 ? 'on' : 'off'},packed=${isPacked ? 'on' : 'off'},mrg_rxbuf=${isMergeable ? 'on' : 'off'}`,
        ...(properties === '' ? [] : [properties]),
      ].join(','),
    ],
  ].flat();
}

async function run() {
  const directory = mkdtempSync(join(tmpdir(), 'vio-cells-'));
  const places = names.flatMap((name, cell) =>
    [0, 1].map((end) => ({ cell, end, socket: join(directory, `${cell}-${end}.sock`), ...cells[name] })),
  );
  const of = (client: boolean): string[] =>
    places.filter((place) => (place.client === true) === client).map(({ socket }) => socket);
  const switches = await Promise.all([startSwitch(of(false)), startSwitch(of(true), ['--client'])]);
  let ends: SwitchEnd[] = [];
  try {
    const reports = await reportOf<Record<string, unknown>>('vhost-user', {
      modules: ['net'],
      arguments: [JSON.stringify(steps)],
      monitor: true,
      timeout: patience - 20_000,
      qemu: [
        // One file, two regions: what is above 4 GiB begins behind a hole, and not at the file's beginning.
        ['-m', '5G'],
        ['-object', 'memory-backend-memfd,id=memory,size=5G,share=on', '-machine', 'memory-backend=memory'],
        ...places.map(({ socket, cell, end }) => qemuCard(socket, cell, end)),
      ].flat(),
    });
    return { reports, ends: () => ends };
  } finally {
    ends = await Promise.all(switches.map((each) => each.stop()));
    rmSync(directory, { recursive: true });
  }
}

/** Milliseconds: the cards of a busy machine take their time. */
const patience = 600_000;
const answered = /3 received, 0% packet loss/;
const echoed = (bytes: number): EchoReport => ({ sent: bytes, received: bytes, same: true });

let guest: Awaited<ReturnType<typeof run>>;
beforeAll(async () => {
  guest = await run();
}, patience);

describe.each(names.map((name, cell) => [name, cell] as const))('%s', (name, cell) => {
  const { pairs, ends } = cells[name];

  it('is what the drivers negotiate', () => {
    const bits = [
      VIRTIO_F_RING_PACKED,
      VIRTIO_NET_F_MRG_RXBUF,
      VIRTIO_NET_F_MQ,
      VIRTIO_NET_F_CSUM,
      VIRTIO_NET_F_HOST_TSO4,
      VIRTIO_NET_F_HASH_REPORT,
      VIRTIO_NET_F_RSS,
    ];
    // The kernel writes the bits in their order.
    const has = (report: unknown) => bits.map((bit) => String(report)[bit.toString(2).length - 1] === '1');
    const wanted = ends.map((end) => [
      end.packed === true,
      end.mergeable !== false,
      pairs > 1,
      true,
      true,
      end.properties === hashes,
      false,
    ]);
    expect([has(guest.reports[`${cell} near`]), has(guest.reports[`${cell} far`])]).toEqual(wanted);
  });

  it('carries pings, and jumbo frames', () => {
    expect(guest.reports[`${cell} ping`]).toMatch(answered);
    expect(guest.reports[`${cell} jumbo`]).toMatch(answered);
  });

  it('carries every byte of TCP, with offloads and without', () => {
    expect(guest.reports[`${cell} tcp`]).toEqual(echoed(4 << 20));
    expect([guest.reports[`${cell} off`], guest.reports[`${cell} tcp without`]]).toEqual([
      expect.anything(),
      echoed(1 << 20),
    ]);
  });

  it('loses its link, and has it again', () => {
    expect([guest.reports[`${cell} link off`], guest.reports[`${cell} link on`]]).toEqual([
      '0\n',
      expect.stringMatching(/^1\n[^]*3 received, 0% packet loss/),
    ]);
  });
});

it('has switches that complain of nothing', () => {
  expect(guest.ends()).toEqual([
    { code: 0, complaints: '' },
    { code: 0, complaints: '' },
  ]);
});
