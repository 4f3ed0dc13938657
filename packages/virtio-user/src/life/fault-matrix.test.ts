import { type BackendScript, misbehaviourCodes } from '@vio/vhost/testing';
import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MQ, VIRTIO_NET_F_STATUS } from '@vio/net';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import {
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
} from '@vio/vhost';
import { holdings, holdingsLike, rejectionOf, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ListeningBackend, allProtocolFeatures } from '../test-support/listening-backend.ts';
import { openVirtioUser } from '../open.ts';

/** All that a port makes use of. */
const protocolFeatures =
  allProtocolFeatures |
  VHOST_USER_PROTOCOL_F_CONFIG |
  VHOST_USER_PROTOCOL_F_BACKEND_REQ |
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD;
const features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MQ | VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;
const withoutAcks = protocolFeatures & ~VHOST_USER_PROTOCOL_F_REPLY_ACK;
/** A port that looks for its backend keeps notes of what is in flight. */
const options = { reconnect: { minDelay: 1000 } };

/** One request of an undisturbed start. */
interface Step {
  readonly name: string;
  readonly at: number;
  readonly answered: boolean;
}

async function stepsOf(negotiable: bigint): Promise<Step[]> {
  await using backend = new ListeningBackend({ features, protocolFeatures: negotiable });
  const port = await openVirtioUser({ path: backend.path, queues: 2 }, options);
  // Without acknowledgements the last ones are still on their way.
  await until(() => backend.asked.filter((name) => name === 'SET_STATUS').length === 3);
  const { seen } = backend.backends[0];
  // What comes behind the start is no step of it: the port looks at the link.
  const end = seen.findLastIndex(({ name }) => name === 'SET_STATUS') + 1;
  const steps = seen.slice(0, end).map(({ name, needsReply }, at) => ({
    name,
    at,
    answered: needsReply || name.startsWith('GET_'),
  }));
  await port.close();
  return steps;
}

const steps = await stepsOf(protocolFeatures);
const answered = steps.filter((step) => step.answered);
const unanswered = (await stepsOf(withoutAcks)).filter((step) => !step.answered);

/** Opens a port against a backend that goes wrong. @returns how that failed, and whether it left anything behind */
async function failure(misbehave: NonNullable<BackendScript['misbehave']>, timeout = 5000) {
  await using backend = new ListeningBackend({ features, protocolFeatures, misbehave });
  const before = holdings();
  const error = await rejectionOf(openVirtioUser({ path: backend.path, queues: 2 }, { ...options, timeout }));
  for (const one of backend.backends) one.close();
  return { code: error.code, leaked: difference(before, await holdingsLike(before)) };
}

function difference(before: ReturnType<typeof holdings>, after: ReturnType<typeof holdings>): number[] {
  return [after.fds - before.fds, after.mappings - before.mappings];
}

describe('a backend that goes wrong at any step of the start is a named error, and nothing stays behind:', () => {
  it('all requests are tried', () => {
    expect([steps.length, answered.length, unanswered.length]).toEqual([39, 37, 33]);
  });

  describe.each(misbehaviourCodes)('%s', (how, code) => {
    it.each(answered)('at $name (request $at)', async ({ at }) => {
      const result = await failure({ at, how }, how === 'silent' ? 25 : 5000);
      expect(result).toEqual({ code, leaked: [0, 0] });
    });
  });

  it.each(answered.filter(({ name }) => !name.startsWith('GET_')))(
    'refusing $name (request $at)',
    async ({ at }) => {
      expect(await failure({ at, how: 'refuse' })).toEqual({ code: 'VIO_VHOST_REFUSED', leaked: [0, 0] });
    },
  );

  it.each(answered)('half an answer to $name (request $at)', async ({ at }) => {
    const result = await failure({ at, how: 'truncated', bytes: 13 });
    expect(result).toEqual({ code: 'VIO_VHOST_MESSAGE_TRUNCATED', leaked: [0, 0] });
  });
});

describe('a backend without acknowledgements that closes', () => {
  it.each(unanswered)(
    'after $name (request $at) is the reason of the error or of the link',
    async ({ at }) => {
      await using backend = new ListeningBackend({
        features,
        protocolFeatures: withoutAcks,
        misbehave: { at, how: 'close' },
      });
      const before = holdings();
      const reason = await openVirtioUser({ path: backend.path, queues: 2 }, options).then(
        async (port) => {
          // Its configuration says that the link is down, which is no reason.
          await until(() => port.link.reason !== undefined);
          const { link } = port;
          await port.close();
          return link.reason;
        },
        (error: unknown) => error,
      );
      expect(reason).toMatchObject({
        code: expect.stringMatching(/^VIO_(VHOST_DISCONNECTED|SOCKET_CLOSED)$/),
      });
      expect(await holdingsLike(before)).toEqual(before);
    },
  );
});
