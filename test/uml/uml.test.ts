// Our vhost backend under a plain Linux kernel: user-mode Linux is the frontend, its virtio-net the driver.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '@vio/net';
import { VIRTIO_F_RING_PACKED } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { beforeAll, describe, expect, it } from 'vitest';
import { Station } from '../support/station.ts';
import { type Steps, repository, runInUml } from './uml.ts';

const ours = '10.1.0.1';
const theirs = '10.1.0.2';
const mac = '02:00:00:00:00:07';

const up = `ip address add ${ours}/24 dev eth0; ip link set eth0 up`;
const ping = `ping -c 3 -i 0.2 -W 5 ${theirs}`;
const udp = (count: number, ports: number): string =>
  `node ${repository}/test/dist/uml/guest/udp-echo.js ${theirs} ${count} ${ports}`;
const driver = '/sys/bus/virtio/drivers/virtio_net';

/** Boots a guest whose device is ours, and takes these steps. */
async function guest<S extends Steps>(configure: (driver: VhostDriver) => void, steps: S) {
  const directory = mkdtempSync(join(tmpdir(), 'vio-uml-'));
  const socket = join(directory, 'vhost.sock');
  const backend = VhostDriver.register(socket);
  const station = new Station(theirs);
  const devices: VhostDevice[] = [];
  /** What should not happen. */
  const troubles: string[] = [];
  const commands: string[] = [];
  const corrected: number[] = [];
  configure(backend);
  backend.callbacks({
    newConnection: (device) => {
      devices.push(device);
      station.serve(device);
    },
    refused: (_, { code, message }) => troubles.push(`${code}: ${message}`),
    broken: (_, queue, { code, detail }) => troubles.push(`ring ${queue}: ${code}, ${detail}`),
    baseCorrected: (_, queue) => corrected.push(queue),
    command: (_, command) => {
      commands.push(JSON.stringify(command));
    },
  });
  await backend.start();
  try {
    const results = await runInUml([socket], steps);
    return { results, device: devices[0], station, troubles, commands, corrected };
  } finally {
    station.stop();
    await backend.close();
    rmSync(directory, { recursive: true });
  }
}

const formats = [
  ['split', VIRTIO_F_RING_PACKED],
  ['packed', 0n],
] as const;

const steps = {
  up,
  address: 'cat /sys/class/net/eth0/address',
  ping,
  udp: udp(500, 4),
  pairs: 'ethtool -L eth0 combined 4; ethtool -l eth0',
  spread: udp(50, 32),
  again: `echo virtio0 > ${driver}/unbind; test ! -e /sys/class/net/eth0
    echo virtio0 > ${driver}/bind; ${up}; ${ping}; ${udp(100, 4)}`,
  others: `ethtool -L eth0 combined 3; ${udp(20, 16)}`,
};

describe.each(formats)('a plain Linux kernel with four pairs of %s rings', (format, without) => {
  let run: Awaited<ReturnType<typeof guest<typeof steps>>>;

  beforeAll(async () => {
    run = await guest((backend) => {
      backend.disableFeatures(without);
      backend.setQueueNum(4);
      backend.setNetConfig({ mac });
    }, steps);
  });
  const said = (step: keyof typeof steps): string => {
    const { exitCode, said: text } = run.results[step];
    return exitCode === 0 ? text : `exit code ${exitCode}: ${text}`;
  };

  it('has its network up, by the address of the configuration space', () => {
    expect([said('up'), said('address')]).toEqual(['', mac]);
  });

  it('negotiates what it needs, and is refused nothing', () => {
    const has = (bit: bigint): boolean => (run.device.features & bit) !== 0n;
    expect([
      has(VIRTIO_F_RING_PACKED),
      has(VIRTIO_NET_F_MQ),
      has(VIRTIO_NET_F_CTRL_VQ),
      run.troubles,
    ]).toEqual([format === 'packed', true, true, []]);
  });

  it('says a base that cannot be for packed rings that never ran, which is corrected', () => {
    expect(run.corrected.length > 0).toBe(format === 'packed');
  });

  it('pings', () => expect(said('ping')).toMatch(/3 received, 0% packet loss/));

  it('gets back every bit it sends by UDP', () => {
    expect(JSON.parse(said('udp'))).toEqual({ right: 2000, wrong: 0 });
  });

  it('takes all pairs into use by its control queue', () => {
    expect(said('pairs')).toMatch(/Current hardware settings:[^]*Combined:\s*4/);
    expect(run.commands).toContain(JSON.stringify({ kind: 'queue-pairs', pairs: 4 }));
  });

  it('sends on all of them, and gets back every bit', () => {
    expect(JSON.parse(said('spread'))).toEqual({ right: 1600, wrong: 0 });
    expect(run.station.datagrams).toHaveLength(4);
    for (const count of run.station.datagrams) expect(count).toBeGreaterThan(0);
  });

  it('works as before when its driver is unbound and bound again', () => {
    const text = said('again');
    expect(text).toMatch(/3 received, 0% packet loss/);
    expect(JSON.parse(text.slice(text.lastIndexOf('{')))).toEqual({ right: 400, wrong: 0 });
  });

  it('takes another number of pairs into use afterwards', () => {
    expect(JSON.parse(said('others'))).toEqual({ right: 320, wrong: 0 });
    expect(run.commands.at(-1)).toBe(JSON.stringify({ kind: 'queue-pairs', pairs: 3 }));
  });
});

describe.each([
  ['one pair', 1],
  ['a backend as it comes', undefined],
])('a plain Linux kernel with %s', (_, pairs) => {
  it('has a network', async () => {
    const configure = (backend: VhostDriver): void => {
      if (pairs !== undefined) backend.setQueueNum(pairs);
    };
    const { results, troubles } = await guest(configure, { up, ping, udp: udp(100, 4) });
    expect(results.up).toEqual({ said: '', exitCode: 0 });
    expect(results.ping.said).toMatch(/3 received, 0% packet loss/);
    expect(JSON.parse(results.udp.said)).toEqual({ right: 400, wrong: 0 });
    expect(troubles).toEqual([]);
  });
});
