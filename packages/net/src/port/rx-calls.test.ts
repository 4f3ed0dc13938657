import { EventFd } from '@vio/native';
import { turns, until } from '@vio/test-support';
import { expect, it } from 'vitest';
import { wiredPort } from '../test-support/wired-port.ts';
import { RxCalls } from './rx-calls.ts';

it('a sleeper is told of an interrupt until it has ended that', async () => {
  using port = wiredPort();
  const event = EventFd.create();
  const calls = new RxCalls(port.rx, [event]);
  let told = 0;
  let order = '';
  const end = calls.listenQuietly(
    0,
    () => {
      told++;
      void Promise.resolve().then(() => (order += 'what it does at once, '));
    },
    () => (order += 'the rest'),
  );
  event.signal();
  await until(() => told === 1);
  await turns(1);
  expect(order).toBe('what it does at once, the rest');
  end();
  event.signal();
  await turns(20);
  calls.close();
  event.close();
  expect(told).toBe(1);
});
