import { EventFd, SharedMemory, VioError } from '@vio/native';
import { openFds, turns } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { type Misbehaviour, ScriptedBackend, misbehaviourCodes } from '../testing/index.ts';
import {
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
  closeAll,
} from '../wire/index.ts';
import { VhostUserFrontend } from './vhost-user-frontend.ts';

const wanted =
  VHOST_USER_PROTOCOL_F_MQ |
  VHOST_USER_PROTOCOL_F_STATUS |
  VHOST_USER_PROTOCOL_F_CONFIG |
  VHOST_USER_PROTOCOL_F_BACKEND_REQ |
  VHOST_USER_PROTOCOL_F_NET_MTU |
  VHOST_USER_PROTOCOL_F_RARP |
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |
  VHOST_USER_PROTOCOL_F_RESET_DEVICE |
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD |
  VHOST_USER_PROTOCOL_F_REPLY_ACK;

/** What a device asks of its backend from connecting to stopping, in the usual order. */
async function handshake(frontend: VhostUserFrontend, timeout = 10_000): Promise<void> {
  const options = { timeout };
  using memory = SharedMemory.create({ size: 65536 });
  using event = EventFd.create();
  await frontend.setOwner(options);
  const features = await frontend.getFeatures(options);
  await frontend.queueNum(options);
  await frontend.setVringCall(0, event.fd, options);
  await frontend.setVringCall(1, undefined, options);
  await frontend.setFeatures(features, options);
  await frontend.setStatus(11, options);
  const { size, fd } = memory;
  await frontend.setMemTable([{ guestAddress: 0, userAddress: 0, size, mmapOffset: 0, fd }], options);
  for (const index of [0, 1]) {
    await frontend.setVringNum(index, 256, options);
    await frontend.setVringBase(index, 0, options);
    await frontend.setVringAddr(index, { descriptors: 0, driver: 4096, device: 8192 }, options);
    await frontend.setVringKick(index, event.fd, options);
  }
  await frontend.setVringEnable(0, true, options);
  await frontend.getConfig(0, 6, options);
  const inflight = await frontend.getInflight(2, 256, options);
  closeAll([inflight.fd]);
  await frontend.setInflight(inflight, memory.fd, options);
  await frontend.setConfig({ offset: 0, flags: 0, data: new Uint8Array(6) }, options);
  await frontend.setMtu(1500, options);
  await frontend.sendRarp(new Uint8Array(6), options);
  const more = { guestAddress: size, userAddress: size, size, mmapOffset: 0, fd };
  await frontend.getMaxMemSlots(options);
  await frontend.addRegion(more, options);
  await frontend.removeRegion(more, options);
  await frontend.getStatus(options);
  await frontend.setVringEnable(0, false, options);
  await frontend.getVringBase(0, options);
  await frontend.getVringBase(1, options);
  await frontend.resetDevice(options);
}

/** Runs the handshake against a backend that goes wrong at request `at`. @returns the reason the link is down */
async function failure(
  protocolFeatures: bigint,
  at: number,
  how: Misbehaviour,
  bytes = 0,
): Promise<{ rejected: unknown; down: VioError | undefined; downs: number; leaked: number }> {
  const before = openFds();
  const { backend, stream } = ScriptedBackend.pair({
    protocolFeatures,
    misbehave: { at, how, bytes },
  });
  const frontend = VhostUserFrontend.adopt(stream, { protocolFeatures: wanted });
  let downs = 0;
  frontend.onDown(() => downs++);
  const rejected = await handshake(frontend, how === 'silent' ? 25 : 5000).then(
    () => undefined,
    (error: unknown) => error,
  );
  // A doubled answer to the very last request is still on its way.
  await turns(5);
  const { down } = frontend;
  frontend.close();
  backend.close();
  return { rejected, down, downs, leaked: openFds() - before };
}

/** One request of an undisturbed handshake. */
interface Step {
  readonly name: string;
  readonly at: number;
  readonly answered: boolean;
  readonly acknowledged: boolean;
  readonly protocolFeatures: bigint;
}

async function undisturbed(protocolFeatures: bigint): Promise<Step[]> {
  const { backend, stream } = ScriptedBackend.pair({ protocolFeatures });
  const frontend = VhostUserFrontend.adopt(stream, { protocolFeatures: wanted });
  await handshake(frontend);
  frontend.close();
  backend.close();
  return backend.seen.map(({ name, needsReply }, at) => {
    const answered = needsReply || name.startsWith('GET_');
    return { name, at, answered, acknowledged: needsReply, protocolFeatures };
  });
}

const faults: [how: Misbehaviour, code: string][] = [
  ...misbehaviourCodes.map(([how, code]): [Misbehaviour, string] => [how, code]),
  ['duplicate', 'VIO_VHOST_MESSAGE_UNEXPECTED'],
];

const steps = await undisturbed(wanted);
const withoutAcks = await undisturbed(wanted & ~VHOST_USER_PROTOCOL_F_REPLY_ACK);
const answered = steps.filter((step) => step.answered);
const unanswered = [...steps, ...withoutAcks].filter((step) => !step.answered);

describe('a backend that goes wrong', () => {
  it('is tried at every request of a handshake', () => {
    expect([steps.length, answered.length, unanswered.length]).toEqual([34, 32, 26]);
  });

  describe.each(faults)('%s', (how, code) => {
    it.each(answered)('at $name (request $at)', async ({ at, protocolFeatures }) => {
      const result = await failure(protocolFeatures, at, how);
      expect(result).toMatchObject({ down: { code }, downs: 1, leaked: 0 });
    });
  });

  it.each(answered)(
    'by closing at any byte of the answer to $name (request $at)',
    async ({ at, protocolFeatures }) => {
      const results = new Set<string>();
      for (let bytes = 1; bytes < 20; bytes++) {
        const { down, downs, leaked } = await failure(protocolFeatures, at, 'truncated', bytes);
        results.add(`${down?.code}, told ${downs} times, leaked ${leaked}`);
      }
      expect([...results]).toEqual(['VIO_VHOST_MESSAGE_TRUNCATED, told 1 times, leaked 0']);
    },
  );

  it.each(answered)(
    'rejects the pending call with the reason it is down: $name (request $at)',
    async ({ at, protocolFeatures }) => {
      const { rejected, down } = await failure(protocolFeatures, at, 'close');
      expect(rejected).toBe(down);
    },
  );

  it.each(unanswered)(
    'by answering $name (request $at) of $protocolFeatures, which nobody asked for',
    async ({ at, protocolFeatures }) => {
      const result = await failure(protocolFeatures, at, 'id');
      expect(result).toMatchObject({ down: { code: 'VIO_VHOST_MESSAGE_UNEXPECTED' }, downs: 1, leaked: 0 });
    },
  );

  it.each(unanswered)(
    'by closing after $name (request $at) of $protocolFeatures',
    async ({ at, protocolFeatures }) => {
      const result = await failure(protocolFeatures, at, 'close');
      expect(result).toMatchObject({ down: { code: 'VIO_VHOST_DISCONNECTED' }, downs: 1, leaked: 0 });
    },
  );

  it.each(steps.filter(({ acknowledged }) => acknowledged))(
    'only refuses, when it refuses $name (request $at)',
    async ({ name, at, protocolFeatures }) => {
      const result = await failure(protocolFeatures, at, 'refuse');
      const message = expect.stringContaining(name);
      expect(result).toMatchObject({
        rejected: { code: 'VIO_VHOST_REFUSED', message },
        down: undefined,
        downs: 0,
        leaked: 0,
      });
    },
  );
});
