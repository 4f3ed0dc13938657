import { VioError } from '@vio/native';
import { VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { LoopbackVdpa } from '../../testing/index.ts';
import { Guest } from '../../test-support/guest.ts';
import { packet, supply } from '../../test-support/packets.ts';
import { backendOf, echo, heldBack, moved, packed, setUpVdpa, split } from '../../test-support/vdpa-setup.ts';
import { frontendRequests as requests } from '../../wire/index.ts';

describe('faults', () => {
  const failure = new VioError('it does not start', { code: 'VIO_TEST', remedy: 'none' });

  it.each([
    ['fails by name', () => Promise.reject(failure), 'VIO_TEST'],
    [
      'throws something else',
      () => {
        throw new TypeError('oops');
      },
      'VIO_VDPA_FAILED',
    ],
  ])('a device that %s ends the connection, and works for the next', async (_, onConfigure, code) => {
    const device = new LoopbackVdpa();
    device.onConfigure = onConfigure;
    await using backend = await backendOf(device);
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest.start(frontend).catch(() => {});
    await until(() => backend.ended.length > 0);
    expect(backend.ended).toEqual([expect.objectContaining({ code })]);
    device.onConfigure = () => {};
    using next = new Guest();
    await next.start(await backend.connect());
    await echo({ guest: next });
  });

  it('a driver that is closed while its device begins waits for it', async () => {
    const device = new LoopbackVdpa();
    const begin = heldBack(device);
    await using backend = await backendOf(device);
    using guest = new Guest();
    const frontend = await backend.connect();
    for (const { run } of guest.steps()) await run(frontend);
    await until(() => device.told.length > 0);
    const closing = backend.driver.close();
    begin();
    await closing;
    const vid = backend.device.vid;
    expect(device.told).toEqual([`configure ${vid} direct split`, `stop ${vid}`, `cleanup ${vid}`]);
  });

  it('rings that are too long for it are named', async () => {
    const device = new LoopbackVdpa({ maxRingSize: 4 });
    await using backend = await backendOf(device);
    using guest = new Guest();
    await guest.start(await backend.connect()).catch(() => {});
    await until(() => backend.ended.length > 0);
    expect(backend.ended).toEqual([expect.objectContaining({ code: 'VIO_VHOST_RING' })]);
  });

  it('memory that is not in whole pages is named', async () => {
    const device = new LoopbackVdpa();
    await using backend = await backendOf(device);
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest
      .start(frontend, {
        SET_MEM_TABLE: (f) =>
          f.send(
            requests.SET_MEM_TABLE,
            guest.regions.map((region) => ({ ...region, size: region.size - 8 })),
            { fds: guest.regions.map(() => guest.fd) },
          ),
      })
      .catch(() => {});
    await until(() => backend.ended.length > 0);
    expect(backend.ended).toEqual([expect.objectContaining({ code: 'VIO_VDPA_MEMORY' })]);
  });

  it('leave nothing behind, whatever the rings were and however it ends', async () => {
    const round = async (): Promise<void> => {
      for (const options of [split, packed]) {
        await using all = await setUpVdpa({}, options);
        await echo(all);
        using _ = await moved(all);
        await echo(all);
        all.device.pull(failure);
        await until(() => all.backend.ended.length > 0);
        expect(all.backend.ended).toEqual([failure]);
      }
    };
    await round();
    const before = holdings();
    await round();
    expect(await holdingsLike(before)).toEqual(before);
  });

  it.each([
    [8, 6],
    [512, 500],
  ])('chains of many descriptors are passed on, by a table as well: ring of %i, %i', async (size, count) => {
    await using all = await setUpVdpa(
      {},
      { size, features: VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC, ring: { indirect: true } },
    );
    await echo(all);
    using _ = await moved(all);
    const [rx, tx] = all.guest.rings;
    const address = supply(rx, 4096);
    const bytes = packet(3 * count - 12);
    const frame = new Uint8Array(3 * count);
    frame.set(bytes, 12);
    const at = tx.memory.put(frame);
    tx.expose([{ table: Array.from({ length: count }, (_each, i) => ({ address: at + 3 * i, length: 3 })) }]);
    for (const kick of all.guest.kicks) kick.signal();
    await until(() => rx.used().length > 0);
    expect(rx.memory.read(address + 12, bytes.length)).toEqual(bytes);
    expect(all.backend.broken).toEqual([]);
  });
});
