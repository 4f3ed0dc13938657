import { EventFd, SharedMemory, UnixStream } from '@vio/native';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { LoopbackVdpa } from '../../testing/index.ts';
import { Guest } from '../../test-support/guest.ts';
import { handled } from '../../test-support/test-backend.ts';
import { type VdpaSetUp, backendOf, echo, heldBack, setUpVdpa } from '../../test-support/vdpa-setup.ts';
import {
  MessageReader,
  VHOST_USER_PROTOCOL_F_HOST_NOTIFIER,
  backendRequests,
  closeAll,
  decodeRequest,
  encodeAck,
  frontendRequests as requests,
} from '../../wire/index.ts';

const page = 4096;

describe('while a device works', () => {
  it('another call is told to it, before and after', async () => {
    await using all = await setUpVdpa();
    const { frontend, device, guest } = all;
    await echo(all);
    device.told.length = 0;
    using call = EventFd.create();
    await frontend.send(requests.SET_VRING_CALL, { index: 0, hasFd: true }, { fds: [call.fd] });
    await handled(frontend);
    expect(device.told).toEqual(['vring 0 off', 'vring 0 on']);
    guest.calls[0].drain();
    await echo(all);
    expect([call.drain(), guest.calls[0].drain()]).toEqual([true, false]);
  });

  it('a ring that is enabled or not is told to it', async () => {
    await using all = await setUpVdpa();
    const { frontend, device } = all;
    device.told.length = 0;
    for (const value of [0, 1]) await frontend.send(requests.SET_VRING_ENABLE, { index: 1, value });
    await handled(frontend);
    expect(device.told).toEqual(['vring 1 off', 'vring 1 on']);
    await echo(all);
  });

  it('requests wait until it has begun, and are answered in their order', async () => {
    const device = new LoopbackVdpa();
    const begin = heldBack(device);
    await using backend = await backendOf(device);
    const frontend = await backend.connect();
    using guest = new Guest();
    for (const { run } of guest.steps()) await run(frontend);
    const answered: string[] = [];
    const asking = frontend.ask(requests.GET_FEATURES, undefined).then(() => answered.push('features'));
    await until(() => device.told.length > 0);
    expect(answered).toEqual([]);
    begin();
    await asking;
    expect(answered).toEqual(['features']);
    await echo({ guest });
  });

  it('its configuration changes are told to the frontend', async () => {
    await using all = await setUpVdpa();
    const [mine, theirs] = UnixStream.pair();
    await all.frontend.acknowledged(requests.SET_BACKEND_REQ_FD, undefined, { fds: [theirs.fd] });
    theirs.close();
    all.device.changeConfig(6, 0);
    expect(await mine.readable({ timeout: 2000 })).toBeUndefined();
    mine.close();
  });

  it.each([
    ['the connection ends', async (all: VdpaSetUp) => Promise.resolve(all.frontend.close())],
    ['the driver resets it', (all: VdpaSetUp) => all.frontend.send(requests.SET_STATUS, 0)],
    ['it is reset', (all: VdpaSetUp) => all.frontend.send(requests.RESET_DEVICE, undefined)],
  ])('lets go of rings and memory when %s', async (_, action) => {
    await using all = await setUpVdpa();
    await echo(all);
    await action(all);
    await until(() => all.device.frontend === undefined);
    expect(all.device.told.find((what) => what.startsWith('stop'))).toBeDefined();
    expect(all.device.frontend).toBeUndefined();
  });

  it('a driver that was reset starts afresh', async () => {
    await using all = await setUpVdpa();
    await echo(all);
    await all.frontend.send(requests.SET_STATUS, 0);
    using again = new Guest();
    await again.start(all.frontend);
    await echo({ guest: again });
    expect(all.device.told.at(-1)).toMatch(/direct split$/);
  });
});

describe('doorbells', () => {
  it('are handed to frontends that take them, and taken back', async () => {
    const file = SharedMemory.create({ size: 2 * page, name: 'vio-test-doorbells' });
    const device = new LoopbackVdpa({
      notifyArea: (queue) => ({ fd: file.fd, offset: queue * page, size: page }),
    });
    await using backend = await backendOf(device);
    expect(backend.driver.protocolFeatures & VHOST_USER_PROTOCOL_F_HOST_NOTIFIER).not.toBe(0n);
    const frontend = await backend.connect();
    const [mine, theirs] = UnixStream.pair();
    await frontend.acknowledged(requests.SET_BACKEND_REQ_FD, undefined, { fds: [theirs.fd] });
    theirs.close();
    using guest = new Guest();
    await guest.start(frontend);
    const reader = new MessageReader(mine);
    const next = async () => {
      for (let message = reader.read(); ; message = reader.read()) {
        if (message === undefined) {
          await mine.readable({ timeout: 2000 });
          continue;
        }
        const { id } = backendRequests.BACKEND_VRING_HOST_NOTIFIER_MSG;
        await mine.send(encodeAck(id, 0));
        const area = decodeRequest(backendRequests.BACKEND_VRING_HOST_NOTIFIER_MSG, message);
        closeAll(message.fds);
        return { ...area, fds: message.fds.length };
      }
    };
    const given = (index: number) => ({ index, hasFd: true, size: page, offset: index * page, fds: 1 });
    expect([await next(), await next()]).toEqual([given(0), given(1)]);
    await frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 });
    const taken = (index: number) => ({ ...given(index), hasFd: false, fds: 0 });
    expect([await next(), await next()]).toEqual([taken(0), taken(1)]);
    mine.close();
    file.close();
  });
});
