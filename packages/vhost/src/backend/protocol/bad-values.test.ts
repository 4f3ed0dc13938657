import { EventFd, SharedMemory, closeFd, dupFd } from '@vio/native';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { openSync } from 'node:fs';
import { holdings, holdingsLike } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import type { ScriptedFrontend } from '../../testing/index.ts';
import { patched } from '../../testing/patched.ts';
import { type MemoryRegion, encodeRaw, frontendRequests as requests } from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';

const version = 1;
const needReply = 8;
const region: MemoryRegion = { guestAddress: 0, userAddress: 0, size: 4096, mmapOffset: 0 };
const ringFd = { index: 0, hasFd: true };

describe('what a request says is checked:', () => {
  type Wrong = [what: string, code: string, send: (frontend: ScriptedFrontend) => Promise<bigint>];

  const memory = (frontend: ScriptedFrontend, regions: readonly MemoryRegion[], fd: number) =>
    frontend.acknowledged(requests.SET_MEM_TABLE, regions, { fds: regions.map(() => fd) });
  const ringEvent = async (
    frontend: ScriptedFrontend,
    request: typeof requests.SET_VRING_CALL,
    fd: number,
  ) => {
    const answer = await frontend.acknowledged(request, ringFd, { fds: [fd] });
    closeFd(fd);
    return answer;
  };
  const raw = async (frontend: ScriptedFrontend, id: number, payload: Uint8Array, fds: number[] = []) => {
    await frontend.sendRaw(encodeRaw(id, version | needReply, payload), fds);
    return new DataView((await frontend.next()).payload.buffer).getBigUint64(0, true);
  };
  const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
  const shared = SharedMemory.create({ size: 8192, name: 'vio-test-guest' });
  const table = (...regions: Partial<MemoryRegion>[]) =>
    words(
      regions.length,
      0,
      ...regions.flatMap((one) => {
        const { guestAddress, size, userAddress, mmapOffset } = { ...region, ...one };
        return [guestAddress, size, userAddress, mmapOffset].flatMap((n) => [n % 2 ** 32, n / 2 ** 32]);
      }),
    );

  const wrong: Wrong[] = [
    [
      'features that were never offered',
      'VIO_VHOST_FEATURES',
      (f) => f.acknowledged(requests.SET_FEATURES, 1n << 63n),
    ],
    [
      'protocol features that were never offered',
      'VIO_VHOST_FEATURES',
      (f) => f.acknowledged(requests.SET_PROTOCOL_FEATURES, 1n << 63n),
    ],
    ['a status over 255', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 39, words(256, 0))],
    ['an MTU of 67', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 20, words(67, 0))],
    ['an MTU of 65536', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 20, words(65_536, 0))],
    ['a ring of size 0', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 8, words(0, 0))],
    ['a ring of size 32769', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 8, words(0, 32_769))],
    [
      'a split ring of size 24',
      'VIO_RING_SIZE',
      (f) => f.acknowledged(requests.SET_VRING_NUM, { index: 0, value: 24 }),
    ],
    ['SET_VRING_NUM of ring 256', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 8, words(256, 8))],
    [
      'SET_VRING_NUM of a ring beyond those offered',
      'VIO_VHOST_RING',
      (f) => f.acknowledged(requests.SET_VRING_NUM, { index: 5, value: 8 }),
    ],
    [
      'SET_VRING_BASE of a ring beyond those offered',
      'VIO_VHOST_RING',
      (f) => f.acknowledged(requests.SET_VRING_BASE, { index: 5, value: 8 }),
    ],
    [
      'SET_VRING_ADDR of a ring beyond those offered',
      'VIO_VHOST_RING',
      (f) =>
        f.acknowledged(requests.SET_VRING_ADDR, {
          index: 5,
          flags: 0,
          descriptors: 0,
          driver: 0,
          device: 0,
          log: 0,
        }),
    ],
    ...([requests.SET_VRING_KICK, requests.SET_VRING_CALL, requests.SET_VRING_ERR] as const).map(
      (request): Wrong => [
        `${request.name} of a ring beyond those offered`,
        'VIO_VHOST_RING',
        (f) => f.acknowledged(request, { index: 5, hasFd: true }, { fds: [shared.fd] }),
      ],
    ),
    [
      'descriptors that are not aligned',
      'VIO_VHOST_MESSAGE_VALUE',
      (f) => raw(f, 9, words(0, 0, 8, 0, 0, 0, 0, 0, 0, 0)),
    ],
    [
      'a device area that is not aligned',
      'VIO_VHOST_MESSAGE_VALUE',
      (f) => raw(f, 9, words(0, 0, 0, 0, 2, 0, 0, 0, 0, 0)),
    ],
    [
      'a driver area that is not aligned',
      'VIO_VHOST_MESSAGE_VALUE',
      (f) => raw(f, 9, words(0, 0, 0, 0, 0, 0, 1, 0, 0, 0)),
    ],
    [
      'SET_VRING_ENABLE with 2',
      'VIO_VHOST_MESSAGE_VALUE',
      (f) => raw(f, requests.SET_VRING_ENABLE.id, words(0, 2)),
    ],
    [
      'SET_VRING_ENABLE without the feature',
      'VIO_VHOST_NOT_NEGOTIATED',
      async (f) => {
        await f.send(requests.SET_FEATURES, VIRTIO_F_VERSION_1);
        return f.acknowledged(requests.SET_VRING_ENABLE, { index: 0, value: 1 });
      },
    ],
    ...([requests.SET_VRING_KICK, requests.SET_VRING_CALL, requests.SET_VRING_ERR] as const).flatMap(
      (request): Wrong[] => [
        [
          `a file in ${request.name}`,
          'VIO_VHOST_FD',
          (f) => ringEvent(f, request, openSync('/dev/null', 'r')),
        ],
        [`memory in ${request.name}`, 'VIO_VHOST_FD', (f) => ringEvent(f, request, dupFd(shared.fd))],
      ],
    ),
    [
      'memory in an eventfd',
      'VIO_VHOST_MEMORY',
      async (f) => {
        using event = EventFd.create();
        return await memory(f, [region], event.fd);
      },
    ],
    ['memory in a socket', 'VIO_VHOST_MEMORY', (f) => memory(f, [region], f.stream.fd)],
    ['no region', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 5, table({}).fill(0, 0, 4))],
    ['nine regions said', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 5, patched(table({}), 0, 9), [shared.fd])],
    [
      'two regions said, one there',
      'VIO_VHOST_MESSAGE_SIZE',
      (f) => raw(f, 5, patched(table({}), 0, 2), [shared.fd]),
    ],
    ['an empty region', 'VIO_VHOST_MESSAGE_VALUE', (f) => raw(f, 5, table({ size: 0 }), [shared.fd])],
    [
      'regions that overlap',
      'VIO_VHOST_MESSAGE_VALUE',
      (f) => raw(f, 5, table({}, { guestAddress: 4095 }), [shared.fd, shared.fd]),
    ],
    [
      'a region that ends beyond 2^53',
      'VIO_VHOST_MESSAGE_VALUE',
      (f) => raw(f, 5, table({ guestAddress: 2 ** 53 - 4096 }), [shared.fd]),
    ],
    [
      'a region beyond its file',
      'VIO_VHOST_MEMORY',
      (f) => memory(f, [{ ...region, size: 8193 }], shared.fd),
    ],
    [
      'an offset beyond the file',
      'VIO_VHOST_MEMORY',
      (f) => memory(f, [{ ...region, mmapOffset: 2 ** 40 }], shared.fd),
    ],
    [
      'a good region followed by one beyond its file',
      'VIO_VHOST_MEMORY',
      (f) => memory(f, [region, { ...region, guestAddress: 2 ** 30, mmapOffset: 8192 }], shared.fd),
    ],
  ];

  it.each(wrong.map(([what, code, send]) => ({ what, code, send })))(
    '$what: $code',
    async ({ code, send }) => {
      await using backend = await TestBackend.start();
      backend.driver.setQueueNum(2);
      const frontend = await backend.connect();
      const before = holdings();
      expect(await send(frontend)).toBe(1n);
      await handled(frontend);
      expect(backend.refused.map((reason) => reason.code)).toEqual([code]);
      expect(await holdingsLike(before)).toEqual(before);
    },
  );
});
