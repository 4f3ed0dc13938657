import { VioError } from '@vio/native';
import { describe, expect, it } from 'vitest';
import { turns } from '@vio/test-support';
import { RequestLine } from './request-line.ts';

/** A request that ends when the test says so. */
function held() {
  let resolve: (value: string) => void = () => {};
  let reject: (reason: Error) => void = () => {};
  const promise = new Promise<string>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  let started = false;
  const request = () => {
    started = true;
    return promise;
  };
  return { request, resolve, reject, started: () => started };
}

const ended = new VioError('it is over', { code: 'VIO_TEST', remedy: 'none' });

describe('a line of requests', () => {
  it('starts one when the one before is over, whether it failed or not', async () => {
    const line = new RequestLine(() => {});
    const [first, second] = [held(), held()];
    const failing = line.ask('the first', undefined, first.request);
    const going = line.ask('the second', undefined, second.request);
    await turns(1);
    expect(second.started()).toBe(false);
    first.reject(new Error('no'));
    await expect(failing).rejects.toThrow('no');
    second.resolve('yes');
    expect(await going).toBe('yes');
  });

  it('is lost when a request is given up while it is under way', async () => {
    const lost: unknown[] = [];
    const line = new RequestLine((reason) => lost.push(reason));
    const { request, resolve } = held();
    await expect(line.ask('it', { timeout: 10 }, request)).rejects.toMatchObject({ code: 'VIO_TIMEOUT' });
    expect(lost).toMatchObject([{ code: 'VIO_TIMEOUT' }]);
    resolve('too late');
  });

  it('goes on when a request is given up that was still waiting: it never starts', async () => {
    const lost: unknown[] = [];
    const line = new RequestLine((reason) => lost.push(reason));
    const [first, second] = [held(), held()];
    const going = line.ask('the first', undefined, first.request);
    await expect(line.ask('the second', { timeout: 10 }, second.request)).rejects.toThrow(/the second/);
    first.resolve('done');
    expect([await going, await line.ask('a third', undefined, () => Promise.resolve('well'))]).toEqual([
      'done',
      'well',
    ]);
    expect([lost, second.started()]).toEqual([[], false]);
  });

  it('ends all that wait, and all to come, with one reason', async () => {
    const line = new RequestLine(() => {});
    const { request, resolve } = held();
    const asked = [line.ask('one', undefined, request), line.ask('two', undefined, request)];
    line.end(ended);
    asked.push(line.ask('three', undefined, request));
    expect(await Promise.allSettled(asked)).toEqual(asked.map(() => ({ status: 'rejected', reason: ended })));
    resolve('');
  });

  it('is busy until a request that nobody waits for any more is over', async () => {
    const line = new RequestLine(() => {});
    const { request, resolve } = held();
    const asked = line.ask('it', undefined, request);
    await turns(1);
    line.end(ended);
    await expect(asked).rejects.toBe(ended);
    expect([line.open, line.busy]).toEqual([false, true]);
    resolve('');
    await line.whenIdle();
    expect(line.busy).toBe(false);
  });
});
