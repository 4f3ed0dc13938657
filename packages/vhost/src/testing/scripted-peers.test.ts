import { EventFd, closeFd } from '@vio/native';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeRaw, encodeRequest, frontendRequests as requests } from '../wire/index.ts';
import { type BackendScript, ScriptedBackend, ScriptedFrontend } from './index.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

function peers(script: BackendScript = {}) {
  const { frontend, stream } = ScriptedFrontend.pair();
  const backend = new ScriptedBackend(stream, script);
  open.push(frontend, backend);
  return { frontend, backend };
}

describe('scripted peers', () => {
  it('talk to each other', async () => {
    const { frontend, backend } = peers({ features: 3n });
    await frontend.send(requests.SET_OWNER, undefined);
    expect(await frontend.ask(requests.GET_FEATURES, undefined)).toBe(3n);
    expect(await frontend.acknowledged(requests.SET_FEATURES, 1n)).toBe(0n);
    expect(backend.seen.map(({ name }) => name)).toEqual(['SET_OWNER', 'GET_FEATURES', 'SET_FEATURES']);
  });

  it('understand a request that comes byte by byte, with its descriptor at the first', async () => {
    const { frontend, backend } = peers();
    using event = EventFd.create();
    const bytes = encodeRequest(requests.SET_VRING_KICK, { index: 1, hasFd: true }, true);
    for (let i = 0; i < bytes.length; i++) {
      await frontend.sendRaw(bytes.subarray(i, i + 1), i === 0 ? [event.fd] : []);
    }
    expect((await frontend.next()).request).toBe(requests.SET_VRING_KICK.id);
    expect(backend.seen).toEqual([
      { name: 'SET_VRING_KICK', payload: { index: 1, hasFd: true }, fds: 1, needsReply: true },
    ]);
  });

  it('part when the frontend asks what does not exist', async () => {
    const { frontend } = peers();
    await frontend.sendRaw(encodeRaw(99, 1, new Uint8Array(0)));
    await expect(frontend.next()).rejects.toThrow(
      expect.objectContaining({ code: 'VIO_VHOST_DISCONNECTED' }),
    );
  });

  it('hand over the descriptors of an answer', async () => {
    const { frontend } = peers();
    await frontend.send(requests.GET_INFLIGHT_FD, {
      mmapSize: 0,
      mmapOffset: 0,
      queues: 2,
      queueSize: 256,
    });
    const { fds } = await frontend.next();
    fds.forEach(closeFd);
    expect(fds).toHaveLength(1);
  });
});
