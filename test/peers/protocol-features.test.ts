// What vhost-user has besides packets, against testpmd: event indexes both ways round, the MTU, and what it does not have.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VioError } from '@vio/native';
import { VIRTIO_NET_F_MTU } from '@vio/net';
import { VIRTIO_F_EVENT_IDX } from '@vio/rings';
import {
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VhostUserFrontend,
  protocolFeatureNames,
} from '@vio/vhost';
import { defaultProtocolFeatures } from '@vio/vhost/internal';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../support/endpoint.ts';
import { exchange } from '../support/exchange.ts';
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

  /** What it offers of what a frontend of ours would use. */
  async function offered(): Promise<bigint> {
    using frontend = await VhostUserFrontend.connect(socket);
    await frontend.setOwner();
    await frontend.getFeatures();
    return frontend.protocolFeatures;
  }

  it('keeps no notes of what is in flight', async () => {
    const missing = defaultProtocolFeatures & ~(await offered()) & ~VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS;
    expect(protocolFeatureNames(missing)).toEqual(['CONFIG', 'INFLIGHT_SHMFD', 'RESET_DEVICE']);
  });

  // DPDK 22.11 has no slots, later ones have.
  it('takes more memory while packets move, or is not asked to', async () => {
    const slots = ((await offered()) & VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) !== 0n;
    await using port = await withLog(testpmd, () =>
      openVirtioUser(`path=${socket}`, { memory: { maxBuffers: 4096 } }),
    );
    const before = port.pool.count;
    const grown = await port.growPool(1000).then(
      (buffers) => buffers >= 1000,
      (error: unknown) => (VioError.is(error) ? error.code : error),
    );
    expect(grown).toBe(slots ? true : 'VIO_FEATURE_MISSING');
    expect(port.pool.count > before).toBe(slots);
    await testpmd.forward('io');
    const back = await withLog(testpmd, () =>
      exchange(new PortEndpoint(port), { queues: 1, length: 64, count: 2000, window: 128 }),
    );
    expect(back).toBe(2000);
  });
});
