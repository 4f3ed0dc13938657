// What can go wrong with a port on vhost-vdpa, each told by name.
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import type { LinkState } from '@vio/net';
import { STATUS_DRIVER_OK, STATUS_FEATURES_OK } from '@vio/net/internal';
import { type OpenOptions, type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { codeOfOpening } from '../opening-code.ts';
import { exchange, makeFrames } from './traffic.ts';
import { Card, type CardOptions, vdpaNodes } from './vduse-process.ts';

/** VERSION_1, ACCESS_PLATFORM, MAC, STATUS, MQ. */
const modest = '300410020';
const nobody = 65534;

const card = (more: Partial<CardOptions> = {}): CardOptions => ({
  name: 'vd0',
  features: modest,
  pairs: 2,
  mac: '52:54:00:00:00:78',
  ...more,
});

const open = (rest = '', options: OpenOptions = {}): Promise<VirtioUserPort> =>
  openVirtioUser(`net_virtio_user0,path=${vdpaNodes()[0]},queue_size=64${rest}`, options);

/** Why the port's link goes down for good. */
function lost(port: VirtioUserPort): Promise<string> {
  return new Promise((resolve) => {
    port.on('link', ({ reason }) => {
      if (reason !== undefined) resolve(reason.code);
    });
  });
}

/** A card of its own for one fault. */
async function withCard<T>(options: CardOptions, action: (card: Card) => Promise<T>): Promise<T> {
  const plugged = await Card.plug(options);
  try {
    return await action(plugged);
  } finally {
    await plugged.unplug();
  }
}

export async function meetFaults() {
  // An idle port does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  const codes: Record<string, string> = {
    'no card': await codeOfOpening(openVirtioUser('net_virtio_user0,path=/dev/vhost-vdpa-9')),
    'another kind of device': await withCard(card({ deviceId: 2, features: '300000000' }), () =>
      codeOfOpening(open()),
    ),
    'a card that refuses its features': await withCard(card({ refuses: STATUS_FEATURES_OK }), () =>
      codeOfOpening(open()),
    ),
    'a card that does not start': await withCard(card({ refuses: STATUS_DRIVER_OK }), () =>
      codeOfOpening(open()),
    ),
  };
  const links = await withCard(card(), async (plugged) => {
    Object.assign(codes, {
      'packed rings': await codeOfOpening(open(',packed_vq=1')),
      'rings too long': await codeOfOpening(
        openVirtioUser(`path=${vdpaNodes()[0]},queue_size=512`, { exactQueueSize: true }),
      ),
      'pairs too many': await codeOfOpening(open(',queues=3')),
      'another address': await codeOfOpening(open(',mac=02:00:00:00:00:01')),
    });
    const port = await open();
    codes['a card that is taken'] = await codeOfOpening(open());
    const seen = await followLink(port, plugged);
    await port.close();
    return seen;
  });
  const held = () => readdirSync('/proc/self/fd').length;
  const leaks = await withCard(card(), async () => {
    await codeOfOpening(open());
    const before = held();
    for (let round = 0; round < 25; round++) {
      await codeOfOpening(open());
      await codeOfOpening(open(',packed_vq=1'));
    }
    return held() - before;
  });
  codes['a card that is deleted'] = await deleted();
  codes['a card that hangs'] = await hung();
  const unprivileged = await withoutPrivileges();
  clearInterval(alive);
  return { codes, links, leaks, unprivileged };
}

async function followLink(port: VirtioUserPort, plugged: Card): Promise<boolean[]> {
  const seen: boolean[] = [];
  for (const state of ['down', 'up']) {
    const changed = new Promise<LinkState>((resolve) => port.once('link', resolve));
    await plugged.command(`link ${state}`);
    seen.push((await changed).up);
  }
  return seen;
}

/** Off the bus under a port. */
async function deleted(): Promise<string> {
  const plugged = await Card.plug(card());
  const port = await open();
  const reason = lost(port);
  const removing = plugged.remove();
  const code = await reason;
  await port.close();
  await removing;
  await plugged.end();
  return code;
}

/** Nobody answers behind the card: the kernel gives up after a while, which is set to a second. */
async function hung(): Promise<string> {
  return await withCard(card(), async (plugged) => {
    writeFileSync('/sys/class/vduse/vd0/msg_timeout', '1');
    await plugged.command('hang');
    return codeOfOpening(open());
  });
}

/** As a user who may open nothing, with what was opened before. The rest of the program runs as that user. */
async function withoutPrivileges() {
  const plugged = await Card.plug(card());
  const vdpa = openSync(vdpaNodes()[0], 'r+');
  process.setgid?.(nobody);
  process.setuid?.(nobody);
  const code = await codeOfOpening(open());
  const port = await openVirtioUser('net_virtio_user0,queue_size=64', { descriptors: { vdpa } });
  const exchanged = await exchange(port, 0, makeFrames(5, 1514));
  await port.close();
  closeSync(vdpa);
  await plugged.unplug();
  return { code, ...exchanged };
}
