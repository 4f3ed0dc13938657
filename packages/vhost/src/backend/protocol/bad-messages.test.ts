import { EventFd } from '@vio/native';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import {
  type MemoryRegion,
  type Request,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  encodeRaw,
  encodeRequest,
  frontendRequests as requests,
} from '../../wire/index.ts';
import { patched } from '../../testing/patched.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { handlers } from './handlers.ts';

const version = 1;
const needReply = 8;

/** A request this backend serves, as a correct frontend could send it. */
interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fds: number;
  readonly payload: readonly [min: number, max: number];
  readonly asks: boolean;
}

function sample<P>(request: Request<P, unknown>, payload: P, fds = 0): Sample {
  const { minBytes, maxBytes } = request.payload;
  const bytes = encodeRequest(request, payload);
  return { name: request.name, bytes, fds, payload: [minBytes, maxBytes], asks: request.reply !== undefined };
}

const region: MemoryRegion = { guestAddress: 0, userAddress: 0, size: 4096, mmapOffset: 0 };
const state = { index: 0, value: 1 };
const ringFd = { index: 0, hasFd: true };
const samples = [
  sample(requests.GET_FEATURES, undefined),
  sample(requests.SET_FEATURES, VIRTIO_F_VERSION_1),
  sample(requests.SET_OWNER, undefined),
  sample(requests.RESET_OWNER, undefined),
  sample(requests.GET_PROTOCOL_FEATURES, undefined),
  sample(requests.SET_PROTOCOL_FEATURES, VHOST_USER_PROTOCOL_F_REPLY_ACK),
  sample(requests.GET_QUEUE_NUM, undefined),
  sample(requests.SET_MEM_TABLE, [region], 1),
  sample(requests.GET_MAX_MEM_SLOTS, undefined),
  sample(requests.ADD_MEM_REG, region, 1),
  sample(requests.REM_MEM_REG, region, 1),
  sample(requests.SET_VRING_NUM, state),
  sample(requests.SET_VRING_ADDR, { index: 0, flags: 0, descriptors: 0, driver: 0, device: 0, log: 0 }),
  sample(requests.SET_VRING_BASE, state),
  sample(requests.GET_VRING_BASE, state),
  sample(requests.SET_VRING_KICK, ringFd, 1),
  sample(requests.SET_VRING_CALL, ringFd, 1),
  sample(requests.SET_VRING_ERR, ringFd, 1),
  sample(requests.SET_VRING_ENABLE, state),
  sample(requests.NET_SET_MTU, 1500),
  sample(requests.IOTLB_MSG, { iova: 0n, size: 4096n, userAddress: 0n, permissions: 3, type: 2 }),
  sample(requests.SET_STATUS, 1),
  sample(requests.GET_STATUS, undefined),
  sample(requests.SEND_RARP, 1n),
  sample(requests.RESET_DEVICE, undefined),
  sample(requests.GET_CONFIG, { offset: 0, flags: 0, data: new Uint8Array(12) }),
  sample(requests.SET_CONFIG, { offset: 0, flags: 0, data: new Uint8Array(6) }),
  sample(requests.SET_BACKEND_REQ_FD, undefined, 1),
  sample(requests.GET_INFLIGHT_FD, { mmapSize: 0, mmapOffset: 0, queues: 2, queueSize: 256 }),
  sample(requests.POSTCOPY_ADVISE, undefined),
  sample(requests.POSTCOPY_LISTEN, undefined),
  sample(requests.POSTCOPY_END, undefined),
  sample(requests.SET_LOG_BASE, { size: 4096, offset: 0 }, 1),
  sample(requests.SET_LOG_FD, new Uint8Array(8), 1),
  sample(requests.SET_INFLIGHT_FD, { mmapSize: 4096, mmapOffset: 0, queues: 2, queueSize: 8 }, 1),
];
const acknowledged = samples.filter(({ asks }) => !asks);

/** Sends bytes with as many eventfds. @returns why the connection ended, and what was left open */
async function refusalOf(bytes: Uint8Array, fds = 0) {
  await using backend = await TestBackend.start();
  const before = holdings();
  const frontend = await backend.connect();
  const events = Array.from({ length: fds }, () => EventFd.create());
  await frontend.sendRaw(
    bytes,
    events.map(({ fd }) => fd),
  );
  for (const event of events) event.close();
  await until(() => backend.ended.length > 0);
  frontend.close();
  return {
    codes: backend.ended.map(({ code }) => code),
    leaked: leakedSince(before, await holdingsLike(before)),
  };
}

function leakedSince(before: { fds: number; mappings: number }, after: { fds: number; mappings: number }) {
  return after.fds - before.fds + (after.mappings - before.mappings);
}

function resized({ bytes }: Sample, payload: number): Uint8Array {
  const copy = new Uint8Array(12 + payload);
  copy.set(bytes.subarray(0, copy.length));
  return patched(copy, 8, payload);
}

it('every request with a handler is tried here', () => {
  expect(samples.map(({ name }) => name).toSorted()).toEqual(Object.keys(handlers).toSorted());
});

describe('a message that is none ends the connection:', () => {
  it.each(samples)('$name with a payload too long', async (one) => {
    const result = await refusalOf(resized(one, one.payload[1] + 1), one.fds);
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_SIZE'], leaked: 0 });
  });

  it.each(samples.filter(({ payload }) => payload[0] > 0))('$name with a payload too short', async (one) => {
    const result = await refusalOf(resized(one, one.payload[0] - 1), one.fds);
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_SIZE'], leaked: 0 });
  });

  it.each(samples)('$name with the reply flag', async ({ bytes, fds }) => {
    const result = await refusalOf(patched(bytes, 4, version | 4), fds);
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_FLAGS'], leaked: 0 });
  });

  it.each(samples)('$name with a reserved flag', async ({ bytes, fds }) => {
    const result = await refusalOf(patched(bytes, 4, version | 0x8000_0000), fds);
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_FLAGS'], leaked: 0 });
  });

  it.each([0, 2, 3])('version %d', async (other) => {
    const result = await refusalOf(patched(samples[0].bytes, 4, other));
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_VERSION'], leaked: 0 });
  });

  it('nine descriptors', async () => {
    const result = await refusalOf(samples[7].bytes, 9);
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_FDS'], leaked: 0 });
  });

  it('4 GiB announced', async () => {
    const result = await refusalOf(patched(samples[0].bytes, 8, 0xffff_ffff));
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_SIZE'], leaked: 0 });
  });
});

describe('without need_reply a request that cannot be met ends the connection:', () => {
  it.each(samples)('$name with a descriptor too many', async ({ bytes, fds }) => {
    const result = await refusalOf(bytes, fds + 1);
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_FDS'], leaked: 0 });
  });

  // With REM_MEM_REG a descriptor may come, and need not.
  const accompanied = samples.filter(({ name, fds }) => fds > 0 && name !== 'REM_MEM_REG');
  it.each(accompanied)('$name without its descriptor', async ({ bytes }) => {
    const result = await refusalOf(bytes);
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_FDS'], leaked: 0 });
  });

  const unserved = Object.values<Request<unknown, unknown>>(requests).filter(
    ({ name }) => !(name in handlers),
  );
  it.each(unserved)('$name, which this backend does not serve', async ({ id, payload, fds }) => {
    const result = await refusalOf(encodeRaw(id, version, new Uint8Array(payload.minBytes)), fds[0]);
    expect(result).toEqual({ codes: ['VIO_VHOST_UNKNOWN_REQUEST'], leaked: 0 });
  });

  it.each([0, 45, 0xffff_ffff])('request %d, which does not exist', async (id) => {
    const result = await refusalOf(encodeRaw(id, version, new Uint8Array(0)), 2);
    expect(result).toEqual({ codes: ['VIO_VHOST_UNKNOWN_REQUEST'], leaked: 0 });
  });

  it('an acknowledgement nobody asked for', async () => {
    const result = await refusalOf(encodeRaw(requests.SET_FEATURES.id, version | 4, new Uint8Array(8)));
    expect(result).toEqual({ codes: ['VIO_VHOST_MESSAGE_FLAGS'], leaked: 0 });
  });

  it('a request whose protocol feature was not negotiated', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect(VHOST_USER_PROTOCOL_F_REPLY_ACK);
    await frontend.send(requests.SET_STATUS, 1);
    await until(() => backend.ended.length > 0);
    expect(backend.events.at(-1)).toBe('destroyConnection 0 VIO_VHOST_NOT_NEGOTIATED');
  });
});

describe('with need_reply a request that cannot be met is refused, and the connection goes on:', () => {
  /** @returns what was acknowledged, and whether the connection answers afterwards */
  async function nackOf(bytes: Uint8Array, fds = 0) {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    const before = holdings();
    const events = Array.from({ length: fds }, () => EventFd.create());
    await frontend.sendRaw(
      patched(bytes, 4, version | needReply),
      events.map(({ fd }) => fd),
    );
    for (const event of events) event.close();
    const nack = await frontend.next();
    await handled(frontend);
    return {
      nack: [nack.request, nack.flags, ...nack.payload],
      codes: backend.refused.map(({ code }) => code),
      ended: backend.ended.length,
      leaked: leakedSince(before, await holdingsLike(before)),
    };
  }
  const refused = (id: number, code: string) => ({
    nack: [id, 5, 1, 0, 0, 0, 0, 0, 0, 0],
    codes: [code],
    ended: 0,
    leaked: 0,
  });

  it.each(acknowledged)('$name with a descriptor too many', async ({ bytes, fds }) => {
    expect(await nackOf(bytes, fds + 1)).toEqual(refused(bytes[0], 'VIO_VHOST_MESSAGE_FDS'));
  });

  it.each([33, 45])('request %d, which is not served', async (id) => {
    const result = await nackOf(encodeRaw(id, version, new Uint8Array(0)));
    expect(result).toEqual(refused(id, 'VIO_VHOST_UNKNOWN_REQUEST'));
  });
});
