import { getEventListeners } from 'node:events';
import { settle } from '@vio/native/internal';
import { expect, it } from 'vitest';
import { inTurn } from './in-turn.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

it('has one listener at the signal of its caller, however many requests there are', async () => {
  const { signal } = new AbortController();
  const all = inTurn({ signal }, (wait) =>
    Array.from({ length: 40 }, (_, i) =>
      settle<number>('asking', wait, (resolve) => {
        setImmediate(() => resolve(i));
        return () => {};
      }),
    ),
  );
  const meanwhile = listeners(signal);
  expect(await all).toEqual(Array.from({ length: 40 }, (_, i) => i));
  expect([meanwhile, listeners(signal)]).toEqual([1, 0]);
});

it.each(['before', 'meanwhile'])('ends all of them by the signal of its caller, aborted %s', async (when) => {
  const controller = new AbortController();
  if (when === 'before') controller.abort('enough');
  let undone = 0;
  const all = inTurn({ signal: controller.signal }, (wait) =>
    Array.from({ length: 40 }, () => settle<void>('asking', wait, () => () => undone++)),
  );
  controller.abort('enough');
  await expect(all).rejects.toMatchObject({ code: 'VIO_ABORTED', cause: 'enough' });
  expect([undone, listeners(controller.signal)]).toEqual([when === 'before' ? 0 : 40, 0]);
});
