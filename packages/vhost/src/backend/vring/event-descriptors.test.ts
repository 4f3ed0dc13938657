import { constants, readSync, writeSync } from 'node:fs';
import { UnixStream, closeFd } from '@vio/native';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until, pipe } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { frontendRequests as requests } from '../../wire/index.ts';
import { handled } from '../../test-support/test-backend.ts';
import { controlFeatures } from '../type/device-features.ts';
import { packet, sendFrom } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';

/** Two ends: what one writes the other reads. */
interface Ends extends Disposable {
  /** For the side that wakes. */
  readonly tells: number;
  /** For the side that is woken. */
  readonly listens: number;
}

function pipeEnds(): Ends {
  const [listens, tells] = pipe(constants.O_RDONLY | constants.O_NONBLOCK, 'w');
  return {
    tells,
    listens,
    [Symbol.dispose]() {
      closeFd(tells);
      closeFd(listens);
    },
  };
}

function socket(): Ends {
  const [here, there] = UnixStream.pair();
  return {
    tells: here.fd,
    listens: there.fd,
    [Symbol.dispose]() {
      here.close();
      there.close();
    },
  };
}

/** A frontend that has no eventfds; ring 2 is the control queue. */
function started(): Promise<Pair> {
  return Pair.start({
    guest: { features: VIRTIO_F_VERSION_1 | controlFeatures, rings: 3 },
    offer: (driver) => driver.enableFeatures(controlFeatures),
  });
}

/** Says that everybody is to be received, and kicks if there is something to kick by. @returns the answer */
async function command({ guest }: Pair, kick: number | undefined): Promise<number> {
  const [ring] = guest.rings.slice(2);
  const bytes = Uint8Array.of(0, 0, 1);
  const answer = ring.memory.put(Uint8Array.of(0xee));
  ring.expose([
    { address: ring.memory.put(bytes), length: bytes.length },
    { address: answer, length: 1, writable: true },
  ]);
  if (kick !== undefined) writeSync(kick, new Uint8Array(8).fill(1));
  await until(() => ring.memory.read(answer, 1)[0] !== 0xee);
  return ring.memory.read(answer, 1)[0];
}

describe.each([
  ['pipe', pipeEnds],
  ['socket', socket],
])('a %s in the place of an eventfd', (_, open) => {
  it('is told of packets by 8 bytes', async () => {
    await using pair = await started();
    using ends = open();
    await pair.frontend.send(requests.SET_VRING_CALL, { index: 1, hasFd: true }, { fds: [ends.tells] });
    await handled(pair.frontend);
    sendFrom(pair.guest.rings[1], packet(60));
    const received = pair.receive();
    const bytes = readSync(ends.listens, new Uint8Array(64));
    expect([received, bytes, pair.backend.refused]).toEqual([[packet(60)], 8, []]);
  });

  it('at whose other end nobody is hinders no packet', async () => {
    await using pair = await started();
    {
      using ends = open();
      await pair.frontend.send(requests.SET_VRING_CALL, { index: 1, hasFd: true }, { fds: [ends.tells] });
    }
    await handled(pair.frontend);
    for (let i = 0; i < 3; i++) {
      sendFrom(pair.guest.rings[1], packet(60, i));
      expect(pair.receive()).toEqual([packet(60, i)]);
    }
  });

  it('kicks a control queue', async () => {
    await using pair = await started();
    using ends = open();
    await pair.frontend.send(requests.SET_VRING_KICK, { index: 2, hasFd: true }, { fds: [ends.listens] });
    await handled(pair.frontend);
    expect([await command(pair, ends.tells), await command(pair, ends.tells)]).toEqual([0, 0]);
  });

  it('that kicked a control queue and is closed does not end it', async () => {
    await using pair = await started();
    {
      using ends = open();
      await pair.frontend.send(requests.SET_VRING_KICK, { index: 2, hasFd: true }, { fds: [ends.listens] });
      await handled(pair.frontend);
    }
    expect([await command(pair, undefined), await command(pair, undefined)]).toEqual([0, 0]);
  });
});
