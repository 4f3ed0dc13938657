import { VioError } from '@vio/native';
import { expect, it } from 'vitest';
import { turns } from '@vio/test-support';
import { DownEvent } from './down-event.ts';

const reason = new VioError('it is gone', { code: 'VIO_TEST_GONE', remedy: 'none' });

it('tells each handler once, and never within the call that ends it', async () => {
  const event = new DownEvent();
  const told: unknown[] = [];
  event.subscribe((why) => told.push(why));
  event.tell(reason);
  event.tell(new VioError('again', { code: 'VIO_TEST_AGAIN', remedy: 'none' }));
  expect(told).toEqual([]);
  await turns(1);
  expect([told, event.reason]).toEqual([[reason], reason]);
});

it('tells soon who comes late', async () => {
  const event = new DownEvent();
  event.tell(reason);
  await turns(1);
  const told: unknown[] = [];
  event.subscribe((why) => told.push(why));
  expect(told).toEqual([]);
  await turns(1);
  expect(told).toEqual([reason]);
});

it.each([
  ['before it ends', (unsubscribe: () => void, tell: () => void) => (unsubscribe(), tell())],
  ['before it is told', (unsubscribe: () => void, tell: () => void) => (tell(), unsubscribe())],
])('does not call a handler that was taken back %s', async (_, run) => {
  const event = new DownEvent();
  const told: unknown[] = [];
  run(
    event.subscribe((why) => told.push(why)),
    () => event.tell(reason),
  );
  await turns(1);
  expect(told).toEqual([]);
});

it('tells nobody of an end after it was closed', async () => {
  const event = new DownEvent();
  const told: unknown[] = [];
  event.subscribe((why) => told.push(why));
  event.close();
  event.tell(reason);
  await turns(1);
  expect(told).toEqual([]);
});
