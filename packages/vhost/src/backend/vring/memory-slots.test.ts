import { SharedMemory } from '@vio/native';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import type { ScriptedFrontend } from '../../testing/index.ts';
import { type MemoryRegion, frontendRequests as requests } from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest } from '../../test-support/guest.ts';
import { packet, sendFrom } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';

const add = (frontend: ScriptedFrontend, region: MemoryRegion, fd: number): Promise<bigint> =>
  frontend.acknowledged(requests.ADD_MEM_REG, region, { fds: [fd] });
const remove = (frontend: ScriptedFrontend, region: MemoryRegion): Promise<bigint> =>
  frontend.acknowledged(requests.REM_MEM_REG, region);

/** A device that runs on regions that were added one by one. */
function started(): Promise<Pair> {
  const guest = new Guest();
  const addAll = async (frontend: ScriptedFrontend): Promise<void> => {
    for (const region of guest.regions) await add(frontend, region, guest.fd);
  };
  return Pair.start({ guest, instead: { SET_MEM_TABLE: addAll } });
}

const elsewhere: MemoryRegion = { guestAddress: 0, userAddress: 0, size: 4096, mmapOffset: 0 };

describe('memory that comes region by region', () => {
  it('holds the rings of a device', async () => {
    await using pair = await started();
    sendFrom(pair.guest.rings[1], packet(60));
    expect(pair.receive()).toEqual([packet(60)]);
  });

  it('has room for 509 of them', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    expect(await frontend.ask(requests.GET_MAX_MEM_SLOTS, undefined)).toBe(509);
  });

  it('has no room for more', async () => {
    await using backend = await TestBackend.start();
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    const frontend = await backend.connect();
    const answers: bigint[] = [];
    for (let i = 0; i <= 509; i++) {
      answers.push(await add(frontend, { ...elsewhere, guestAddress: i * 4096 }, memory.fd));
    }
    expect([answers.indexOf(1n), backend.refused[0].code]).toEqual([509, 'VIO_VHOST_STATE']);
  });

  it('may grow while packets move', async () => {
    await using pair = await started();
    sendFrom(pair.guest.rings[1], packet(60, 1));
    pair.receive();
    await add(pair.frontend, elsewhere, pair.guest.fd);
    sendFrom(pair.guest.rings[1], packet(60, 2));
    expect(pair.receive()).toEqual([packet(60, 2)]);
  });

  it('may shrink while packets move, where nothing is left', async () => {
    await using pair = await started();
    await add(pair.frontend, elsewhere, pair.guest.fd);
    const answer = await remove(pair.frontend, elsewhere);
    sendFrom(pair.guest.rings[1], packet(60));
    expect([answer, pair.receive()]).toEqual([0n, [packet(60)]]);
  });

  it('is let go of when it is removed', async () => {
    await using pair = await started();
    const before = holdings();
    await add(pair.frontend, elsewhere, pair.guest.fd);
    await remove(pair.frontend, elsewhere);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('is let go of when the frontend leaves', async () => {
    await using backend = await TestBackend.start();
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    const before = holdings();
    const frontend = await backend.connect();
    await add(frontend, elsewhere, memory.fd);
    frontend.close();
    await until(() => backend.ended.length > 0);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it.each([
    ['that overlaps another', 'VIO_VHOST_MEMORY', { guestAddress: 0x1_0000_1000 }],
    ['beyond its file', 'VIO_VHOST_MEMORY', { mmapOffset: 2 ** 40 }],
  ])('is refused %s, and what was there stays', async (_, code, part) => {
    await using pair = await started();
    const answer = await add(pair.frontend, { ...elsewhere, ...part }, pair.guest.fd);
    sendFrom(pair.guest.rings[1], packet(60));
    expect([answer, pair.backend.refused.map((reason) => reason.code), pair.receive()]).toEqual([
      1n,
      [code],
      [packet(60)],
    ]);
  });

  it.each([
    ['another guest address', { guestAddress: 4096 }],
    ['another user address', { userAddress: 4096 }],
    ['another size', { size: 8192 }],
  ])('is not removed by %s', async (_, part) => {
    await using pair = await started();
    await add(pair.frontend, elsewhere, pair.guest.fd);
    expect(await remove(pair.frontend, { ...elsewhere, ...part })).toBe(1n);
  });

  describe('and is announced once per queue pair, as by QEMU,', () => {
    it('stays until it was removed as often', async () => {
      await using pair = await started();
      const [, region] = pair.guest.regions;
      const { frontend } = pair;
      const answers = [
        await add(frontend, region, pair.guest.fd),
        await add(frontend, region, pair.guest.fd),
      ];
      answers.push(await remove(frontend, region), await remove(frontend, region));
      sendFrom(pair.guest.rings[1], packet(60));
      const received = pair.receive();
      answers.push(await remove(frontend, region));
      await handled(frontend);
      expect([answers.slice(0, 4), received, pair.backend.events.at(-2)]).toEqual([
        [0n, 0n, 0n, 0n],
        [packet(60)],
        'vringStateChanged 0 1 off',
      ]);
    });

    it('holds no descriptor and no mapping more', async () => {
      await using pair = await started();
      const before = holdings();
      await add(pair.frontend, pair.guest.regions[0], pair.guest.fd);
      expect(await holdingsLike(before)).toEqual(before);
    });

    it('does not pause the rings', async () => {
      await using pair = await started();
      const { dequeue } = pair.served.setup.vring(1);
      await add(pair.frontend, pair.guest.regions[1], pair.guest.fd);
      expect(pair.served.setup.vring(1).dequeue).toBe(dequeue);
    });

    it('is another one in another file, and overlaps', async () => {
      await using pair = await started();
      using other = SharedMemory.create({ size: Guest.bytes(2), name: 'vio-test-guest' });
      expect(await add(pair.frontend, pair.guest.regions[1], other.fd)).toBe(1n);
    });

    it('is another one elsewhere in its file, and overlaps', async () => {
      await using pair = await started();
      const moved = { ...pair.guest.regions[1], mmapOffset: 0 };
      expect(await add(pair.frontend, moved, pair.guest.fd)).toBe(1n);
    });

    it('gives way to the one that a first pair puts in its place, and the others remove it in their turn', async () => {
      await using pair = await started();
      const { frontend, guest } = pair;
      const larger = { ...elsewhere, size: 8192 };
      await add(frontend, elsewhere, guest.fd);
      await add(frontend, elsewhere, guest.fd);
      const answers: bigint[] = [];
      for (let turn = 0; turn < 2; turn++) {
        answers.push(await remove(frontend, elsewhere), await add(frontend, larger, guest.fd));
      }
      answers.push(await remove(frontend, larger), await remove(frontend, larger));
      expect([answers, await remove(frontend, larger)]).toEqual([[0n, 0n, 0n, 0n, 0n, 0n], 1n]);
    });

    it('is counted from a memory table on, too', async () => {
      await using backend = await TestBackend.start();
      using guest = new Guest();
      const frontend = await backend.connect();
      await guest.start(frontend);
      const answers = [await add(frontend, guest.regions[1], guest.fd)];
      answers.push(await remove(frontend, guest.regions[1]));
      await handled(frontend);
      expect([answers, backend.events.at(-1)]).toEqual([[0n, 0n], 'newDevice 0']);
    });
  });

  it('stops the rings in it when it is removed', async () => {
    await using pair = await started();
    await remove(pair.frontend, pair.guest.regions[1]);
    await handled(pair.frontend);
    expect(pair.backend.events.slice(-2)).toEqual(['vringStateChanged 0 1 off', 'refused 0 VIO_VHOST_RING']);
  });
});
