import type { Reconnected } from '@vio/net';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD, wire } from '@vio/vhost';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { ListeningBackend, allProtocolFeatures } from '../test-support/listening-backend.ts';
import type { VirtioUserPort } from '../virtio-user-port.ts';

const protocolFeatures = allProtocolFeatures | VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD;
const { GET_INFLIGHT_FD, SET_INFLIGHT_FD } = wire.frontendRequests;
const reconnect = { minDelay: 1, maxDelay: 5 };

/** What the port asked its latest backend about the buffer, and where rings were to begin. */
function askedOf(backend: ListeningBackend): string[] {
  return backend.asked.filter((name) => /INFLIGHT|VRING_BASE/.test(name));
}

/** The backend goes, and another one comes. */
async function cameBack(backend: ListeningBackend, port: VirtioUserPort): Promise<Reconnected> {
  const back = new Promise<Reconnected>((resolve) => port.once('reconnect', resolve));
  backend.backends.at(-1)?.close();
  return back;
}

/** Puts frames on the transmit ring. */
function send(port: VirtioUserPort, frames: number): void {
  const burst = port.burst();
  burst.allocate(port.pool, frames, 60);
  port.tx[0].send(burst);
}

describe('a port that looks for its backend again', () => {
  it('asks for an inflight buffer, for as many and as large rings as it has, and hands it over', async () => {
    await using backend = new ListeningBackend({ protocolFeatures });
    await backend.open({ queues: 2 }, { reconnect });
    const seen = backend.backends[0].seen.filter(({ name }) => name.includes('INFLIGHT'));
    expect(seen).toEqual([
      {
        name: 'GET_INFLIGHT_FD',
        payload: { mmapSize: 0, mmapOffset: 0, queues: 4, queueSize: 256 },
        fds: 0,
        needsReply: false,
      },
      {
        name: 'SET_INFLIGHT_FD',
        payload: { mmapSize: 4096, mmapOffset: 0, queues: 4, queueSize: 256 },
        fds: 1,
        needsReply: true,
      },
    ]);
  });

  it.each([
    ['it never does', { reconnect: false }],
    ['it is not to', { reconnect: { ...reconnect, inflight: false } }],
    ['its queue pairs are detached', { reconnect, detached: true }],
  ])('does not ask if %s', async (_, options) => {
    await using backend = new ListeningBackend({ protocolFeatures });
    await backend.open({}, options);
    expect(backend.asked).not.toContain('GET_INFLIGHT_FD');
  });

  it('hands the same buffer to the next backend, and the rings as they are', async () => {
    await using backend = new ListeningBackend({ protocolFeatures });
    const port = await backend.open({}, { reconnect });
    send(port, 5);
    expect(await cameBack(backend, port)).toMatchObject({ resumed: true });
    expect(askedOf(backend)).toEqual(['SET_INFLIGHT_FD', 'SET_VRING_BASE 0 0', 'SET_VRING_BASE 1 0']);
    expect([port.tx[0].queue.outstanding, port.tx[0].lost]).toEqual([5, 0]);
    expect(port.stats()).toMatchObject({ reconnects: 1, reconnects_resumed: 1, tx_q0_lost_packets: 0 });
  });

  it('says where packed rings go on', async () => {
    await using backend = new ListeningBackend({
      protocolFeatures,
      features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED,
    });
    const port = await backend.open({ packed_vq: true }, { reconnect });
    await cameBack(backend, port);
    expect(askedOf(backend).slice(1)).toEqual(['SET_VRING_BASE 0 2147516416', 'SET_VRING_BASE 1 2147516416']);
  });

  it('wakes both sides: what one was about to tell the other nobody has told', async () => {
    await using backend = new ListeningBackend({ protocolFeatures });
    const port = await backend.open({}, { reconnect });
    const woken = port.untilPackets();
    await cameBack(backend, port);
    await woken;
    expect(port.link.up).toBe(true);
  });

  it('sends again when the backend is back', async () => {
    await using backend = new ListeningBackend({ protocolFeatures });
    const port = await backend.open({}, { reconnect });
    await cameBack(backend, port);
    send(port, 3);
    expect(port.tx[0].queue.outstanding).toBe(3);
  });

  it('starts its rings afresh with a backend that has no such thing, and lets the buffer go', async () => {
    const script = { protocolFeatures };
    await using backend = new ListeningBackend(script);
    const port = await backend.open({}, { reconnect });
    send(port, 5);
    script.protocolFeatures = allProtocolFeatures;
    expect(await cameBack(backend, port)).toMatchObject({ resumed: false });
    expect([port.tx[0].queue.outstanding, port.tx[0].lost]).toEqual([0, 5]);
    script.protocolFeatures = protocolFeatures;
    await cameBack(backend, port);
    expect(askedOf(backend).slice(0, 2)).toEqual(['GET_INFLIGHT_FD', 'SET_INFLIGHT_FD']);
  });

  it('starts its rings afresh when the next backend refuses the buffer', async () => {
    const script: { protocolFeatures: bigint; misbehave?: { at: number; how: 'refuse' } } = {
      protocolFeatures,
    };
    await using backend = new ListeningBackend(script);
    const port = await backend.open({}, { reconnect });
    send(port, 5);
    // One question less, GET_INFLIGHT_FD.
    const at = backend.asked.indexOf('SET_INFLIGHT_FD') - 1;
    script.misbehave = { at, how: 'refuse' };
    const back = cameBack(backend, port);
    await until(() => backend.backends.length === 2 && backend.asked.length > at);
    delete script.misbehave;
    expect(await back).toMatchObject({ resumed: false, attempts: 2 });
    expect(port.tx[0].lost).toBe(5);
  });

  it('does without when the backend has no buffer to give', async () => {
    await using backend = new ListeningBackend({ protocolFeatures });
    const opening = backend.open({}, { reconnect });
    await until(() => backend.backends.length > 0);
    backend.backends[0].answer(GET_INFLIGHT_FD, (asked) => asked);
    await opening;
    expect(askedOf(backend)[0]).toBe('GET_INFLIGHT_FD');
    expect(backend.asked).not.toContain(SET_INFLIGHT_FD.name);
  });

  it('gives the buffer back with the port', async () => {
    await using backend = new ListeningBackend({ protocolFeatures });
    const before = holdings();
    const port = await backend.open({}, { reconnect });
    await cameBack(backend, port);
    await port.close();
    for (const one of backend.backends) one.close();
    expect(await holdingsLike(before)).toEqual(before);
  });
});
