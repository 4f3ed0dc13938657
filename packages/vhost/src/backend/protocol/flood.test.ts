import { PacketBurst } from '@vio/net';
import { Random } from '@vio/rings/testing';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { expect, it } from 'vitest';
import type { ScriptedFrontend } from '../../testing/index.ts';
import { encodeRaw, frontendRequests as requests } from '../../wire/index.ts';
import { packet, packetPool, sendFrom } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';
import { handled } from '../../test-support/test-backend.ts';

const rows = Object.values(requests);
const perSend = 1000;
/** For each kind, of all of them a million. */
const sends = Math.ceil(1_000_000 / perSend / rows.length);

/** Many messages of one kind: as short as it may be, with an acknowledgement asked for or not, mostly zeroes. */
function many(row: (typeof rows)[number], random: Random): Uint8Array {
  const one = (): Uint8Array => {
    const payload = new Uint8Array(row.payload.minBytes);
    if (random.chance(0.3)) random.scramble(payload);
    return encodeRaw(row.id, random.chance(0.5) ? 9 : 1, payload);
  };
  return Buffer.concat(Array.from({ length: perSend }, one));
}

it('a million messages of every kind from frontends that read no answer: others are served, and nothing is left', async () => {
  await using pair = await Pair.start({ flags: { postcopySupport: true, postcopyTimeout: 100 } });
  const { backend, guest, frontend: witness } = pair;
  const [device] = backend.devices;
  const random = new Random(1);
  const before = holdings();
  let sent = 0;
  let flooder: ScriptedFrontend | undefined;
  for (const row of rows) {
    for (let i = 0; i < sends; i++) {
      const { length } = backend.ended;
      flooder ??= await backend.connect();
      const messages = many(row, random);
      // The backend may have closed: then the rest goes nowhere.
      await flooder.sendRaw(messages).catch(() => {});
      sent += perSend;
      await handled(witness);
      if (backend.ended.length === length) continue;
      flooder.close();
      flooder = undefined;
    }
  }
  flooder?.close();
  await until(() => backend.ended.length === backend.devices.length - 1);
  expect(sent).toBeGreaterThanOrEqual(1_000_000);
  expect(await holdingsLike(before)).toEqual(before);
  expect([...new Set(backend.ended.map(({ code }) => code))]).not.toContain('VIO_VHOST_INTERNAL');
  sendFrom(guest.rings[1], packet(60, 1));
  const burst = new PacketBurst();
  expect(device.dequeueBurst(1, packetPool(), burst)).toBe(1);
}, 120_000);
