// What `vio backend` offers, as a frontend sees it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { SharedMemory, UnixStream } from '@vio/native';
import { HDR_F_NEEDS_CSUM, featureNames, openPort } from '@vio/net';
import { writeFrames } from '@vio/net/testing';
import {
  FrontendDevice,
  VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_PAGEFAULT,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VhostUserFrontend,
  protocolFeatureNames,
  wire,
} from '@vio/vhost';
import { ScriptedFrontend } from '@vio/vhost/testing';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, describe, expect, it } from 'vitest';
import { untilIdle } from '../support/idle.ts';
import { vioProgram } from '../support/vio-program.ts';
import { jsonLines, listeningBackend, vio } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-offer-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** What is done beside a backend that was started with these options. */
async function beside<T>(
  options: readonly string[],
  work: (path: string, pid: number | undefined) => Promise<T>,
): Promise<T> {
  const path = join(directory, 'vhost.sock');
  const backend = spawn(process.execPath, [vioProgram, 'backend', path, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(backend.stdout, 'data');
    return await work(path, backend.pid);
  } finally {
    backend.kill();
    await once(backend, 'close');
  }
}

/** Names of the device features. */
function offered(...options: string[]): Promise<string[]> {
  return beside(options, async (path) => {
    const frontend = await VhostUserFrontend.connect(path);
    const names = featureNames(await frontend.getFeatures());
    frontend.close();
    return names;
  });
}

const segmentation = [
  'GUEST_TSO4',
  'GUEST_TSO6',
  'GUEST_ECN',
  'GUEST_UFO',
  'HOST_TSO4',
  'HOST_TSO6',
  'HOST_USO',
];

/** Names of the protocol features. */
function offeredProtocol(...options: string[]): Promise<string[]> {
  return beside(options, async (path) => {
    const frontend = new ScriptedFrontend(await UnixStream.connect(path));
    await frontend.ask(wire.frontendRequests.GET_FEATURES, undefined);
    const mask = await frontend.ask(wire.frontendRequests.GET_PROTOCOL_FEATURES, undefined);
    frontend.close();
    return protocolFeatureNames(mask ?? 0n);
  });
}

describe('vio backend', () => {
  it('offers checksums and segmentation', async () => {
    expect(await offered()).toEqual(
      expect.arrayContaining(['CSUM', 'GUEST_CSUM', 'MRG_RXBUF', ...segmentation]),
    );
  });

  it('offers no segmentation with --no-tso', async () => {
    const names = await offered('--no-tso');
    expect([names.includes('CSUM'), names.filter((name) => segmentation.includes(name))]).toEqual([true, []]);
  });

  it('leaves out what it is told to', async () => {
    const names = await offered('--disable', 'csum,MRG_RXBUF');
    expect(names.filter((name) => name === 'CSUM' || name === 'MRG_RXBUF')).toEqual([]);
  });

  it('offers just what it is told to', async () => {
    const names = await offered('--features', 'VERSION_1,INDIRECT_DESC', '--queues', '1');
    expect(names.filter((name) => name !== 'BIT_30' && !name.includes('PROTOCOL'))).toEqual([
      'INDIRECT_DESC',
      'VERSION_1',
    ]);
  });

  it('serves guests behind an I/O MMU, and those that come before their memory, where it is told to', async () => {
    const named = (names: string[]): string[] =>
      names.filter((name) => name === 'ACCESS_PLATFORM' || name === 'PAGEFAULT');
    expect(named([...(await offered()), ...(await offeredProtocol())])).toEqual([]);
    const options = ['--iommu-support', '--postcopy-support', '--features', 'VERSION_1', '--queues', '1'];
    expect(named([...(await offered(...options)), ...(await offeredProtocol(...options))])).toEqual([
      'ACCESS_PLATFORM',
      'PAGEFAULT',
    ]);
  });

  it.each([
    ['in several buffers', [], 5000],
    ['not at all with --linear-buffer', ['--linear-buffer'], 0],
    ['in one large buffer with --ext-buffer', ['--ext-buffer'], 5000],
    ['in one large buffer with both', ['--linear-buffer', '--ext-buffer'], 5000],
  ])('takes a packet that does not fit one buffer %s', async (_, options, bytes) => {
    const back = await beside(['--forward-mode', 'io', ...options], async (path) => {
      await using port = await openVirtioUser({ path });
      const lengths: number[] = [];
      for (const length of [5000, 60]) await port.send(new Uint8Array(length));
      for await (const packet of port.packets()) {
        lengths.push(packet.length);
        if (packet.length === 60) break;
      }
      return lengths;
    });
    expect(back).toEqual([bytes, 60].filter((length) => length > 0));
  });

  it.each([
    ['as they came', [], HDR_F_NEEDS_CSUM],
    [
      'as a sender has them with --legacy-ol-flags, which says nothing of what is no TCP',
      ['--legacy-ol-flags'],
      0,
    ],
  ])('sends packets on with what is left to do of them, %s', async (_, options, expected) => {
    const flags = await beside(['--forward-mode', 'io', ...options], async (path) => {
      await using port = await openVirtioUser({ path }, { offloads: { rxChecksum: true, txChecksum: true } });
      const burst = port.burst(1);
      writeFrames(port.pool, burst, [new Uint8Array(60)]);
      const { offloads } = burst;
      if (offloads === undefined) throw new TypeError('the port has offloads');
      offloads.flags[0] = HDR_F_NEEDS_CSUM;
      offloads.checksumStart[0] = 34;
      offloads.checksumOffset[0] = 2;
      expect(port.tx[0].send(burst)).toBe(1);
      while (port.rx[0].receive(burst) === 0) await turn();
      const [said] = offloads.flags;
      burst.release();
      return said & HDR_F_NEEDS_CSUM;
    });
    expect(flags).toBe(expected);
  });

  it('says why it ends the connection of a device, or refuses a request of its frontend, and what to do', async () => {
    const path = join(directory, 'told.sock');
    const backend = await listeningBackend([path, '--postcopy-support']);
    const wanted = VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_PAGEFAULT;
    const asking = new ScriptedFrontend(await UnixStream.connect(path));
    await asking.send(wire.frontendRequests.SET_PROTOCOL_FEATURES, wanted);
    expect(await asking.acknowledged(wire.frontendRequests.POSTCOPY_LISTEN, undefined)).toBe(1n);
    await backend.says(
      /device 0: a request was refused: POSTCOPY_LISTEN came .* \(VIO_VHOST_STATE\); the frontend/,
    );
    asking.close();
    const protocolFeatures = VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_LOG_SHMFD;
    const frontend = await VhostUserFrontend.connect(path, { protocolFeatures });
    await using _ = await openPort(new FrontendDevice(frontend));
    using file = SharedMemory.create({ size: 4096, name: 'vio-test-log' });
    await frontend.setLogBase({ size: 8192, offset: 0 }, file.fd).catch(() => {});
    await backend.says(/device 1: its connection ended: .* \(VIO_VHOST_LOG\); the frontend must share a log/);
    const { stdout } = await backend.interrupt();
    expect(stdout).not.toContain('before there was a device: the log');
  });

  it('does not have its log filled by a frontend, and says how much is not in it', async () => {
    const path = join(directory, 'flooded.sock');
    const backend = await listeningBackend([path, '--json']);
    const asking = new ScriptedFrontend(await UnixStream.connect(path));
    const { SET_PROTOCOL_FEATURES, SET_VRING_NUM } = wire.frontendRequests;
    await asking.send(SET_PROTOCOL_FEATURES, VHOST_USER_PROTOCOL_F_REPLY_ACK);
    const refuse = (i: number): Promise<bigint> =>
      asking.acknowledged(SET_VRING_NUM, { index: 200 + (i % 2), value: 1 });
    for (let i = 0; i < 2000; i++) expect(await refuse(i)).toBe(1n);
    for (let i = 0; !backend.stdout.includes('"unsaid"'); i++) await refuse(i);
    asking.close();
    const { stdout } = await backend.interrupt();
    expect(stdout.match(/"request-refused"/g)?.length).toBeLessThan(1000);
  });

  it('does not have its log filled by one that comes and goes, and says of each it names that it has gone', async () => {
    const path = join(directory, 'churned.sock');
    const backend = await listeningBackend([path, '--json']);
    while (!backend.stdout.includes('"unsaid"')) {
      await using _ = await openVirtioUser({ path });
    }
    const ended = await backend.interrupt();
    const vids = (wanted: string): unknown[] =>
      jsonLines(ended)
        .filter(({ type }) => type === wanted)
        .map(({ vid }) => vid);
    expect(vids('device-gone')).toEqual(vids('device'));
  });

  it('takes next to no processor time while nobody sends, and wakes for who does', async () => {
    const back = await beside(['--forward-mode', 'io'], async (path, pid) => {
      await untilIdle(pid);
      await using port = await openVirtioUser({ path });
      const lengths: number[] = [];
      for (const length of [60, 80]) {
        await untilIdle(pid);
        await port.send(new Uint8Array(length));
        for await (const packet of port.packets()) {
          lengths.push(packet.length);
          break;
        }
      }
      return lengths;
    });
    expect(back).toEqual([60, 80]);
  });

  it.each([
    ['--features', 'NO_SUCH', 2],
    ['--features', '0x8000000000000000', 1],
  ])('refuses %s %s', async (option, value, code) => {
    const { exitCode, stderr } = await vio('backend', join(directory, 'no.sock'), option, value);
    expect([exitCode, stderr === '']).toEqual([code, false]);
  });
});
