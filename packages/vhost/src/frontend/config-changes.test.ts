import { EventFd } from '@vio/native';
import { type ConfigSpace, VIRTIO_NET_F_MAC, VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS } from '@vio/net';
import { type ConfigHandlers, ConfigWatch, encodeConfigSpace } from '@vio/net/internal';
import { describe, expect, it } from 'vitest';
import { openFds, until } from '@vio/test-support';
import { type BackendScript, ScriptedBackend } from '../testing/index.ts';
import {
  MessageReader,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  backendRequests,
  decodeReply,
  encodeRaw,
  encodeRequest,
  expectedAck,
  frontendRequests,
} from '../wire/index.ts';
import { VhostUserFrontend } from './vhost-user-frontend.ts';

const { BACKEND_CONFIG_CHANGE_MSG, BACKEND_VRING_CALL, BACKEND_VRING_HOST_NOTIFIER_MSG } = backendRequests;
const protocolFeatures =
  VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_BACKEND_REQ | VHOST_USER_PROTOCOL_F_CONFIG;
const features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU;
const usual = { mac: '52:54:00:12:34:56', linkUp: true, announce: false, maxPairs: 1, mtu: 1450 };

/** What the backend says of itself, if it can. */
function configOf({ config }: VhostUserFrontend): Promise<ConfigSpace> | undefined {
  return config?.read(features);
}

/** A frontend that has negotiated with a backend whose configuration changes as `said` does. */
async function connected(script: BackendScript = {}) {
  const { backend, stream } = ScriptedBackend.pair({ features, protocolFeatures, ...script });
  const said = { ...usual };
  backend.answer(frontendRequests.GET_CONFIG, ({ offset, data }) => ({
    offset,
    flags: 0,
    data: encodeConfigSpace(said).slice(offset, offset + data.length),
  }));
  const frontend = VhostUserFrontend.adopt(stream);
  await frontend.getFeatures();
  const watches: ConfigWatch[] = [];
  return {
    backend,
    frontend,
    said,
    /** Has somebody told of changes. */
    watch(handlers: ConfigHandlers): void {
      if (frontend.config !== undefined) watches.push(new ConfigWatch(frontend.config, features, handlers));
    },
    say: (bytes: Uint8Array, fds: number[] = []) => backend.channel.send(bytes, fds),
    [Symbol.dispose]() {
      for (const watch of watches) watch[Symbol.dispose]();
      frontend.close();
      backend.close();
    },
  };
}

const change = encodeRequest(BACKEND_CONFIG_CHANGE_MSG, undefined);

describe('the configuration of a backend', () => {
  it('is read', async () => {
    using pair = await connected();
    expect(await configOf(pair.frontend)).toEqual(usual);
  });

  it.each([
    ['does not offer CONFIG', { protocolFeatures: VHOST_USER_PROTOCOL_F_REPLY_ACK }, undefined],
    [
      'offers none of its fields',
      { features: 0n },
      { mac: undefined, linkUp: true, announce: false, maxPairs: 1, mtu: undefined },
    ],
  ])('is not asked for if it %s', async (_, script, nothing) => {
    using pair = await connected(script);
    expect(await configOf(pair.frontend)).toEqual(nothing);
    expect(pair.backend.seen.map(({ name }) => name)).not.toContain('GET_CONFIG');
  });

  it('that it cannot read says nothing', async () => {
    using pair = await connected();
    pair.backend.answer(frontendRequests.GET_CONFIG, () => undefined);
    expect(await configOf(pair.frontend)).toMatchObject({ mac: undefined, linkUp: true });
  });
});

describe('a change of the configuration', () => {
  it.each([
    ['neither', VHOST_USER_PROTOCOL_F_REPLY_ACK],
    ['no CONFIG', VHOST_USER_PROTOCOL_F_BACKEND_REQ],
    ['no BACKEND_REQ', VHOST_USER_PROTOCOL_F_CONFIG],
  ])('cannot be told by a backend with %s: it gets no channel', async (_, offered) => {
    using pair = await connected({ protocolFeatures: offered });
    expect(pair.backend.seen.map(({ name }) => name)).not.toContain('SET_BACKEND_REQ_FD');
  });

  it('of the link is told, and no other is told as one', async () => {
    using pair = await connected();
    const links: boolean[] = [];
    pair.watch({ link: (up) => links.push(up) });
    for (const linkUp of [false, true]) {
      pair.said.linkUp = linkUp;
      await pair.say(change);
      await until(() => links.at(-1) === linkUp);
    }
    pair.said.mtu = 1400;
    const before = pair.backend.seen.length;
    await pair.say(change);
    await until(() => pair.backend.seen.length > before);
    await pair.frontend.getFeatures();
    expect(links).toEqual([false, true]);
  });

  it('that came before anybody asked is told to who asks', async () => {
    using pair = await connected();
    pair.said.linkUp = false;
    const links: boolean[] = [];
    pair.watch({ link: (up) => links.push(up) });
    await until(() => links.length > 0);
    expect(links).toEqual([false]);
  });

  it('that asks for an announcement is told once, and again when it asks again', async () => {
    using pair = await connected();
    let times = 0;
    pair.watch({ announce: () => void times++ });
    for (const announce of [true, true, false, true]) {
      pair.said.announce = announce;
      const before = pair.backend.seen.length;
      await pair.say(change);
      await until(() => pair.backend.seen.length > before);
      await pair.frontend.getFeatures();
    }
    expect(times).toBe(2);
  });

  it('is looked at now and then, however often it is told', async () => {
    using pair = await connected();
    pair.watch({ link: () => {} });
    await pair.frontend.getFeatures();
    const before = pair.backend.seen.length;
    await pair.say(Buffer.concat(Array.from({ length: 1000 }, () => change)));
    await until(() => pair.backend.seen.length > before);
    await pair.frontend.getFeatures();
    const looks = pair.backend.seen.slice(before).filter(({ name }) => name === 'GET_CONFIG');
    expect(looks.length).toBeLessThan(100);
  });

  it('is acknowledged if the backend wants that', async () => {
    using pair = await connected();
    await pair.say(encodeRequest(BACKEND_CONFIG_CHANGE_MSG, undefined, true));
    await pair.backend.channel.readable({ timeout: 2000 });
    const message = new MessageReader(pair.backend.channel).read();
    expect(message && decodeReply(expectedAck(BACKEND_CONFIG_CHANGE_MSG), message)).toBe(0n);
  });
});

describe('on the way back', () => {
  it.each([
    ['BACKEND_VRING_CALL', encodeRequest(BACKEND_VRING_CALL, { index: 0, value: 0 }, true), 0],
    [
      'BACKEND_VRING_HOST_NOTIFIER_MSG and its descriptor',
      encodeRequest(BACKEND_VRING_HOST_NOTIFIER_MSG, { index: 0, hasFd: true, size: 4096, offset: 0 }, true),
      1,
    ],
  ])('%s is refused, and the connection goes on', async (_, bytes, fds) => {
    using pair = await connected();
    using event = EventFd.create();
    await pair.say(
      bytes,
      Array.from({ length: fds }, () => event.fd),
    );
    await pair.backend.channel.readable({ timeout: 2000 });
    const answer = new MessageReader(pair.backend.channel).read();
    expect([answer?.payload[0], pair.frontend.down]).toEqual([1, undefined]);
  });

  it.each([
    ['a request that does not exist', encodeRaw(11, 1, new Uint8Array(0)), 0, 'UNKNOWN'],
    ['a request of number 0', encodeRaw(0, 1, new Uint8Array(0)), 0, 'UNKNOWN'],
    ['an answer', encodeRaw(2, 5, new Uint8Array(8)), 0, 'FLAGS'],
    ['another version', encodeRaw(2, 2, new Uint8Array(0)), 0, 'VERSION'],
    ['a payload where there is none', encodeRaw(2, 1, new Uint8Array(4)), 0, 'SIZE'],
    ['half a payload', encodeRaw(4, 1, new Uint8Array(4)), 0, 'SIZE'],
    ['4 GiB', Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255), 0, 'SIZE'],
    ['a descriptor that does not belong there', change, 1, 'FDS'],
    ['nine descriptors', change, 9, 'FDS'],
  ])('%s ends the connection, with the reason, and nothing stays open', async (_, bytes, fds, fault) => {
    const before = openFds();
    const codes: (string | undefined)[] = [];
    {
      using pair = await connected();
      using event = EventFd.create();
      await pair.say(
        bytes,
        Array.from({ length: fds }, () => event.fd),
      );
      await until(() => pair.frontend.down !== undefined);
      codes.push(pair.frontend.down?.code);
    }
    await until(() => openFds() === before);
    expect([codes, openFds()]).toEqual([[`VIO_VHOST_MESSAGE_${fault}`], before]);
  });

  it('a message cut off in the middle ends the connection', async () => {
    using pair = await connected();
    await pair.say(change.subarray(0, 7));
    pair.backend.channel.close();
    await until(() => pair.frontend.down !== undefined);
    expect(pair.frontend.down?.code).toBe('VIO_VHOST_MESSAGE_TRUNCATED');
  });

  it('silence from now on is no fault', async () => {
    using pair = await connected();
    pair.backend.channel.close();
    await pair.frontend.getFeatures();
    expect(pair.frontend.down).toBe(undefined);
  });

  it('the channel goes with the connection', async () => {
    const before = openFds();
    {
      using pair = await connected();
      expect(pair.backend.seen.at(-1)?.name).toBe('SET_BACKEND_REQ_FD');
    }
    await until(() => openFds() === before);
    expect(openFds()).toBe(before);
  });
});
