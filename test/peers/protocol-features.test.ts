// What vhost-user has besides packets, against testpmd: event indexes both ways round, the MTU, and what it does not have.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VIRTIO_NET_F_MTU } from '@vio/net';
import { VIRTIO_F_EVENT_IDX } from '@vio/rings';
import { VhostUserFrontend, defaultProtocolFeatures, wire } from '@vio/vhost';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../endpoint.ts';
import { exchange } from '../exchange.ts';
import { Testpmd, netVhost, withLog } from './testpmd.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-features-'));
const socket = join(directory, 'vhost.sock');
afterAll(() => rmSync(directory, { recursive: true }));

describe('testpmd as the backend', () => {
  let testpmd: Testpmd;
  beforeAll(async () => {
    testpmd = await Testpmd.start({ vdevs: [netVhost(socket, 1)], queues: 1 });
  });
  afterAll(() => testpmd?.quit());

  it.each(['packed_vq=0', 'packed_vq=1'])('brings frames back by event indexes (%s)', async (format) => {
    await using port = await withLog(testpmd, () =>
      openVirtioUser(`path=${socket},${format}`, { eventIdx: true }),
    );
    expect(port.features & VIRTIO_F_EVENT_IDX).toBe(VIRTIO_F_EVENT_IDX);
    await testpmd.forward('io');
    const back = await withLog(testpmd, () =>
      exchange(new PortEndpoint(port), { queues: 1, length: 64, count: 2000, window: 128 }),
    );
    expect(back).toBe(2000);
  });

  it('takes the MTU of the port', async () => {
    await using port = await withLog(testpmd, () => openVirtioUser(`path=${socket}`, { mtu: 1400 }));
    expect(port.features & VIRTIO_NET_F_MTU).toBe(VIRTIO_NET_F_MTU);
    // It looks at what it was told once its device is there.
    let info = '';
    for (let looks = 0; looks < 20 && !info.includes('MTU: 1400'); looks++) {
      await sleep(100);
      info = await testpmd.run('show port info 0');
    }
    expect(info).toContain('MTU: 1400');
  });

  it('keeps no notes of what is in flight, and takes no more memory', async () => {
    using frontend = await VhostUserFrontend.connect(socket);
    await frontend.setOwner();
    await frontend.getFeatures();
    expect(wire.protocolFeatureNames(defaultProtocolFeatures & ~frontend.protocolFeatures)).toEqual([
      'CONFIG',
      'INFLIGHT_SHMFD',
      'RESET_DEVICE',
      'CONFIGURE_MEM_SLOTS',
    ]);
  });
});
