// Two cards of a plain Linux kernel on one wire of ours: TCP between them, large packets and small ones, byte by byte.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VIRTIO_F_RING_PACKED } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { beforeAll, describe, expect, it } from 'vitest';
import { runInUml } from './uml.ts';
import { Wire, type WireOptions } from './wire.ts';

const bytes = 6 << 20;
const theirs = '10.1.0.2';

const steps = {
  cards: `mount -t tmpfs tmpfs /run; ip netns add other; ip link set eth1 netns other
    ip address add 10.1.0.1/24 dev eth0; ip link set eth0 up
    ip -n other address add ${theirs}/24 dev eth1; ip -n other link set eth1 up`,
  ping: `ping -c 3 -i 0.2 -W 5 ${theirs}`,
  offloads: `ethtool -k eth0 | grep -E '^(tx-checksumming|tcp-segmentation-offload)'`,
  tcp: `head -c ${bytes} /dev/urandom > /run/data
    ip netns exec other busybox nc -l -p 7 -e cat &
    until ip netns exec other grep -q ':0007 .* 0A ' /proc/net/tcp; do sleep 0.05; done
    busybox nc ${theirs} 7 < /run/data > /run/back
    cmp /run/data /run/back; stat -c %s /run/back`,
  sums: `for space in '' 'ip netns exec other'; do
      $space awk '/^Tcp: [0-9]/ { print $14, $16 }' /proc/net/snmp
    done`,
};

interface Case extends WireOptions {
  readonly packed: boolean;
}

async function run({ packed, ...options }: Case) {
  const directory = mkdtempSync(join(tmpdir(), 'vio-uml-wire-'));
  const wire = new Wire(options);
  const devices: (VhostDevice | null)[] = [];
  /** What should not happen. */
  const troubles: string[] = [];
  const drivers = ([0, 1] as const).map((end) => {
    const driver = VhostDriver.register(join(directory, `${end}.sock`));
    driver.setQueueNum(1);
    if (!packed) driver.disableFeatures(VIRTIO_F_RING_PACKED);
    driver.callbacks({
      newDevice: (device) => {
        devices[end] = device;
        wire.attach(end, device);
      },
      destroyDevice: () => wire.attach(end, null),
      refused: (_, { code, message }) => troubles.push(`${code}: ${message}`),
      broken: (_, queue, { code, detail }) => troubles.push(`ring ${queue}: ${code}, ${detail}`),
    });
    return driver;
  });
  await Promise.all(drivers.map((driver) => driver.start()));
  try {
    const results = await runInUml(
      drivers.map(({ path }) => path),
      steps,
    );
    const formats = devices.map((device) => ((device?.features ?? 0n) & VIRTIO_F_RING_PACKED) !== 0n);
    return { results, formats, wire, troubles };
  } finally {
    wire.stop();
    await Promise.all(drivers.map((driver) => driver.close()));
    rmSync(directory, { recursive: true });
  }
}

const cases: readonly (readonly [string, Case])[] = [
  ['split, packets as they are sent', { packed: false, offloads: true, buffers: 512 }],
  [
    'packed, packets as they are sent, and hardly room for one',
    { packed: true, offloads: true, buffers: 48 },
  ],
  ['split, packets cut on the way, and hardly room for one', { packed: false, offloads: false, buffers: 48 }],
  ['packed, packets cut on the way', { packed: true, offloads: false, buffers: 512 }],
];

describe.each(cases)('a wire between two cards: %s', (_, { packed, offloads, buffers }) => {
  let guest: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    guest = await run({ packed, offloads, buffers });
  });

  it('has rings of that format at both ends', () => {
    expect(guest.formats).toEqual([packed, packed]);
    expect(guest.results.offloads.said).toMatch(/tx-checksumming: on\n[^]*tcp-segmentation-offload: on/);
  });

  it('carries pings', () => {
    expect(guest.results.cards).toEqual({ said: '', exitCode: 0 });
    expect(guest.results.ping.said).toMatch(/3 received, 0% packet loss/);
  });

  it('carries every byte of TCP there and back', () => {
    expect(guest.results.tcp).toEqual({ said: String(bytes), exitCode: 0 });
  });

  it('carries packets of many frames where they stay whole, and frames where they do not', () => {
    const { longest } = guest.wire;
    expect(offloads ? longest > 8 * 1514 : longest === 1514).toBe(true);
  });

  it('damages no checksum', () => {
    // InErrs and InCsumErrors of either end.
    expect(guest.results.sums).toEqual({ said: '0 0\n0 0', exitCode: 0 });
  });

  it('has all its buffers back, and heard of no trouble', () => {
    expect([guest.wire.free, guest.troubles]).toEqual([buffers, []]);
  });
});
