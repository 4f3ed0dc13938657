// A port's calls for one frame and for many, on a backend of this process that polls between them.
import { PacketBurst } from '@vio/net';
import { type Pair, openPair } from '../../solo/pair.ts';
import { deviceLoops } from '../loops.ts';
import { type Way, type Ways, chunk, frames, length } from './way.ts';

export const portWays: Ways = {
  'port.send': () =>
    sending(({ port }) => async () => {
      for (const frame of frames) await port.send(frame);
    }),
  'port.trySend': () =>
    sending(({ port }) => async () => {
      for (const frame of frames) port.trySend(frame);
    }),
  'port.sendMany': () =>
    sending(
      ({ port }) =>
        () =>
          port.sendMany(frames),
    ),
  'port.packets': () =>
    receiving(
      ({ port }) => port.packets(),
      () => 1,
    ),
  'port.batches': () =>
    receiving(
      ({ port }) => port.batches(),
      (batch) => batch.length,
    ),
};

async function sending(moveOf: (pair: Pair) => Way['move']): Promise<Way> {
  const pair = await openPair('mrg_rxbuf=1,in_order=0');
  const drain = deviceLoops.rxonly(pair.device, pair.pool, length);
  const send = moveOf(pair);
  return {
    async move() {
      await send();
      for (let left = chunk; left > 0;) left -= drain(1);
    },
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

async function receiving<T>(
  open: (pair: Pair) => AsyncGenerator<T, void, undefined>,
  countOf: (value: T) => number,
): Promise<Way> {
  const pair = await openPair('mrg_rxbuf=1,in_order=0');
  const { device, pool } = pair;
  const burst = new PacketBurst(32);
  const arriving = open(pair);
  return {
    async move() {
      for (let given = 0; given < chunk;) {
        burst.allocate(pool, 32, length);
        given += device.enqueueBurst(0, burst, 0, burst.count);
        burst.release();
      }
      for (let left = chunk; left > 0;) {
        const { value, done } = await arriving.next();
        if (done === true) throw new Error('the port went away');
        left -= countOf(value);
      }
    },
    async [Symbol.asyncDispose]() {
      await arriving.return();
      await pair[Symbol.asyncDispose]();
    },
  };
}
