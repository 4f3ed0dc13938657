import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { LoopbackVdpa } from '../../testing/index.ts';
import { packet, sendFrom, supply } from '../../test-support/packets.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { echo, moved, packed, setUpVdpa, split } from '../../test-support/vdpa-setup.ts';
import {
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_RARP,
  frontendRequests as requests,
} from '../../wire/index.ts';

describe('what a device and the library can do', () => {
  it('is offered, and nothing that only one of them can', async () => {
    const device = new LoopbackVdpa({ features: VIRTIO_F_VERSION_1 | (1n << 33n), queueNum: 3 });
    await using backend = new TestBackend();
    const { driver } = backend;
    const before = { features: driver.features, queueNum: driver.queueNum };
    driver.attachVdpaDevice(device);
    expect(driver).toMatchObject({ features: VIRTIO_F_VERSION_1, queueNum: 3, vdpaDevice: device });
    const protocol = driver.protocolFeatures;
    expect(protocol & VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD).toBe(0n);
    expect(protocol & VHOST_USER_PROTOCOL_F_RARP).toBe(0n);
    expect(protocol & VHOST_USER_PROTOCOL_F_CONFIG).toBe(VHOST_USER_PROTOCOL_F_CONFIG);
    await driver.detachVdpaDevice();
    expect(driver).toMatchObject({ ...before, vdpaDevice: undefined });
    driver.setQueueNum(2);
    driver.attachVdpaDevice(device);
    expect(driver.queueNum).toBe(2);
  });

  it('has its configuration space, which it may write', async () => {
    await using all = await setUpVdpa();
    const { frontend, device } = all;
    const read = async () =>
      (await frontend.ask(requests.GET_CONFIG, { offset: 0, flags: 0, data: new Uint8Array(10) }))?.data;
    expect(await read()).toEqual(device.space);
    await frontend.send(requests.SET_CONFIG, { offset: 0, flags: 0, data: Uint8Array.of(6) });
    expect((await read())?.[0]).toBe(6);
  });

  it('counts, and forgets', async () => {
    await using all = await setUpVdpa();
    await echo(all);
    const { stats } = all.device;
    expect([stats.names, await stats.get(0)]).toEqual([['looped'], [1]]);
    await stats.reset(0);
    expect(await stats.get(1)).toEqual([0]);
  });

  it.each([
    ['another type', { deviceType: 2 }, {}, 'VIO_VHOST_DEVICE_TYPE'],
    ['drivers behind an I/O MMU', {}, { iommuSupport: true }, 'VIO_OPTION_CONFLICT'],
  ])('does not go together: %s', async (_, more, flags, code) => {
    await using backend = new TestBackend(flags);
    const device = Object.assign(new LoopbackVdpa(), more);
    expect(() => backend.driver.attachVdpaDevice(device)).toThrow(expect.objectContaining({ code }));
  });
});

describe.each([
  ['split', split],
  ['packed', packed],
])('the %s rings of a driver', (format, options) => {
  it('are worked on by the device, and not by this process', async () => {
    await using all = await setUpVdpa({}, options);
    const { device, backend } = all;
    for (let i = 0; i < 20; i++) await echo(all);
    expect(device.told).toEqual([`configure ${backend.device.vid} direct ${format}`]);
    expect(backend.events).toEqual(expect.arrayContaining(['vringStateChanged 0 1 on', 'newDevice 0']));
    expect([backend.device.vdpaDevice, backend.device.rawVring(0)]).toEqual([device, undefined]);
    expect(backend.device.running).toBe(true);
  });

  it('are told where they stopped, and go on there', async () => {
    await using all = await setUpVdpa({}, options);
    const { guest, frontend, device } = all;
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 11; i++) await echo(all);
      const bases = [];
      for (const index of [0, 1])
        bases.push((await frontend.ask(requests.GET_VRING_BASE, { index, value: 0 }))?.value);
      const count = 11 * (round + 1);
      const at = (count % 8) | (Math.floor(count / 8) % 2 === 0 ? 0x8000 : 0);
      const expected = format === 'split' ? count : ((at << 16) | at) >>> 0;
      expect(bases).toEqual([expected, expected]);
      for (const index of [0, 1]) {
        for (const { name, run } of guest.ringSteps(index)) {
          if (!name.startsWith('SET_VRING_BASE')) await run(frontend);
          else await frontend.send(requests.SET_VRING_BASE, { index, value: expected });
        }
        await frontend.send(requests.SET_VRING_ENABLE, { index, value: 1 });
      }
      await handled(frontend);
    }
    await echo(all);
    expect(device.told.at(-1)).toMatch(/^configure \d+ relayed split$/);
  });

  it('are passed on and marked while a guest is moved', async () => {
    await using all = await setUpVdpa({}, options);
    const { device, guest } = all;
    await echo(all);
    using marks = await moved(all);
    expect(device.told.at(-1)).toMatch(/relayed split$/);
    for (let i = 0; i < 20; i++) {
      const address = await echo(all);
      expect(marks.marked(address)).toBe(true);
    }
    const used =
      guest.regions[0].guestAddress +
      (format === 'split'
        ? guest.rings[0].addresses.device.offset
        : guest.rings[0].addresses.descriptors.offset);
    await until(() => marks.marked(used));
    await all.frontend.send(requests.SET_FEATURES, guest.features);
    await handled(all.frontend);
    const address = await echo(all);
    expect(marks.marked(address)).toBe(false);
  });

  it('come back in order from a device that is disorderly, while they are passed on', async () => {
    await using all = await setUpVdpa({ disorderly: true }, options);
    await echo(all);
    using _ = await moved(all);
    const [rx, tx] = all.guest.rings;
    const supplied = [0, 1, 2].map(() => supply(rx, 2048));
    for (let i = 0; i < 3; i++) sendFrom(tx, packet(60, i));
    for (const kick of all.guest.kicks) kick.signal();
    let count = 0;
    await until(() => (count += rx.used().length) === 3);
    for (const [i, address] of supplied.entries())
      expect(rx.memory.read(address + 12, 60)).toEqual(packet(60, i));
  });

  it('whose driver writes nonsense are broken while they are passed on, and nothing else is', async () => {
    await using all = await setUpVdpa({}, options);
    await echo(all);
    using _ = await moved(all);
    const [rx] = all.guest.rings;
    rx.expose([{ address: 0xdead_0000_0000, length: 100, writable: true }]);
    all.guest.kicks[0].signal();
    await until(() => all.backend.broken.length > 0);
    expect(all.backend.broken).toEqual([
      { queue: 0, fault: expect.objectContaining({ code: expect.any(String) as string }) },
    ]);
    expect(all.backend.ended).toEqual([]);
  });
});
