import { Writable } from 'node:stream';
import { Telemetry, type TelemetrySource } from '@vio/net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TurnTimes } from '../../forward/turn-times.ts';
import { Hub, type Shown, mostStreams } from './hub.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A browser: what it was sent, which it reads or does not. */
class Browser extends Writable {
  text = '';
  readonly #reads: boolean;
  #waiting: (() => void) | undefined;

  constructor(reads = true) {
    super({ highWaterMark: 16 });
    this.#reads = reads;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (this.#reads) done();
    else this.#waiting = done;
  }

  /** Reads what is there. */
  read(): void {
    this.#waiting?.();
  }

  /** The messages of this name. */
  messages<Message = { readonly [name: string]: unknown }>(name: string): Message[] {
    const found = this.text.matchAll(new RegExp(`event: ${name}\ndata: (.*)\n\n`, 'g'));
    return Array.from(found, ([, data]) => JSON.parse(data) as Message);
  }
}

const source = (name: string, more: Partial<TelemetrySource> = {}): TelemetrySource => ({
  name,
  kind: 'port',
  info: () => ({ mask: 5n }),
  stats: () => ({ rx_q0_good_packets: 7 }),
  rings: () => [],
  link: () => ({ status: 'UP' }),
  memory: () => ({}),
  dump: () => [],
  ...more,
});

function hubOf(sources: readonly TelemetrySource[], packets = false) {
  const telemetry = new Telemetry();
  const ids = sources.map((each) => telemetry.add(each).id);
  const turns = new TurnTimes();
  const hello = { command: 'run', version: '1', pid: 1, node: '20', packets };
  const shown: Shown = { telemetry, hello, turns };
  return { hub: new Hub(shown), telemetry, turns, ids };
}

const seconds = (count: number): Promise<unknown> => vi.advanceTimersByTimeAsync(1000 * count);

describe('the stream', () => {
  it('says who it is, what the first port counts, and what happened', async () => {
    const { hub } = hubOf([source('a'), source('b')]);
    const browser = new Browser();
    hub.add(browser, undefined);
    await seconds(0.1);
    expect(browser.messages('hello')).toMatchObject([{ command: 'run', pid: 1 }]);
    expect(browser.messages('look')).toMatchObject([
      {
        interval: 1000,
        ports: [{ name: 'a' }, { name: 'b' }],
        port: { id: 0, stats: { rx_q0_good_packets: 7 }, info: { mask: '0x5' } },
      },
    ]);
    expect(browser.messages<{ events: object[] }>('happened')[0].events).toHaveLength(2);
  });

  it('is of the port that was chosen', async () => {
    const { hub, ids } = hubOf([source('a'), source('b')]);
    const browser = new Browser();
    hub.add(browser, ids[1]);
    await seconds(0.1);
    expect(browser.messages('look')).toMatchObject([{ port: { name: 'b' } }]);
  });

  it('looks once for all who see the same port', async () => {
    const stats = vi.fn<TelemetrySource['stats']>(() => ({}));
    const { hub } = hubOf([source('a', { stats })]);
    const before = stats.mock.calls.length;
    for (let i = 0; i < 10; i++) hub.add(new Browser(), undefined);
    await seconds(0.1);
    expect(stats.mock.calls.length - before).toBe(1);
  });

  it('looks no more often than twice a second, however many come and go', async () => {
    const stats = vi.fn<TelemetrySource['stats']>(() => ({}));
    const { hub } = hubOf([source('a', { stats })]);
    const before = stats.mock.calls.length;
    for (let i = 0; i < 100; i++) {
      const browser = new Browser();
      hub.add(browser, undefined);
      await seconds(0.1);
      browser.destroy();
    }
    expect(stats.mock.calls.length - before).toBeLessThanOrEqual(21);
  });

  it('looks at nothing, and measures nothing, once nobody reads it', async () => {
    const stats = vi.fn<TelemetrySource['stats']>(() => ({}));
    const { hub, turns } = hubOf([source('a', { stats })]);
    const browser = new Browser();
    hub.add(browser, undefined);
    await seconds(1);
    const measured = turns.on;
    browser.destroy();
    await seconds(0);
    const calls = stats.mock.calls.length;
    await seconds(10);
    expect([measured, turns.on, stats.mock.calls.length - calls]).toEqual([true, false, 0]);
  });

  it('ends a capture that waits for a packet, once nobody reads it', async () => {
    let ended = 0;
    const capture = (): AsyncIterable<Uint8Array> & Disposable => {
      let end = (): void => {};
      const over = new Promise<void>((resolve) => (end = resolve));
      async function* bytes(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(0);
        await over;
      }
      const stop = (): void => {
        ended++;
        end();
      };
      return Object.assign(bytes(), { [Symbol.dispose]: stop });
    };
    const { hub } = hubOf([source('a', { capture })], true);
    const browser = new Browser();
    hub.add(browser, undefined);
    await seconds(1);
    const before = ended;
    browser.destroy();
    await seconds(0);
    expect([before, ended]).toEqual([0, 1]);
  });

  it('has room for some, and again when one has left', async () => {
    const { hub } = hubOf([]);
    const browsers = Array.from({ length: mostStreams }, () => new Browser());
    for (const browser of browsers) hub.add(browser, undefined);
    const full = hub.full;
    browsers[3].destroy();
    await seconds(0);
    expect([full, hub.full]).toEqual([true, false]);
  });
});

describe('a browser that does not read', () => {
  it('is sent one message, and told later what was left out', async () => {
    const { hub } = hubOf([source('a')]);
    const [slow, quick] = [new Browser(false), new Browser()];
    hub.add(slow, undefined);
    hub.add(quick, undefined);
    await seconds(5.1);
    const waiting = slow.writableLength;
    while (slow.messages('hello').length + slow.messages('look').length < 1) slow.read();
    for (let i = 0; i < 3; i++) {
      slow.read();
      await seconds(1);
    }
    expect(quick.messages('look').length).toBeGreaterThanOrEqual(5);
    expect(waiting).toBeLessThan(1000);
    expect(slow.messages('missed')).toEqual([{ looks: expect.any(Number) }]);
  });

  it('is sent away in the end, and the others go on', async () => {
    const { hub } = hubOf([source('a')]);
    const [slow, quick] = [new Browser(false), new Browser()];
    hub.add(slow, undefined);
    hub.add(quick, undefined);
    await seconds(20);
    expect([slow.destroyed, quick.destroyed]).toEqual([true, false]);
    expect(quick.messages('look').length).toBeGreaterThan(18);
  });

  it('is told of all that happened meanwhile, or how much of it is forgotten', async () => {
    const { hub, telemetry, ids } = hubOf([source('a')]);
    const browser = new Browser();
    hub.add(browser, undefined);
    await seconds(1);
    for (let i = 0; i < 2000; i++) telemetry.events.add(ids[0], 'link', { up: true });
    await seconds(1);
    const told = browser.messages<{ lost: number; events: { number: number }[] }>('happened').at(-1);
    expect([told?.lost, told?.events.length, told?.events.at(-1)?.number]).toEqual([2000 - 256, 256, 2001]);
  });
});

it('what a peer wrote is one line of JSON, whatever it looks like', async () => {
  const { hub, telemetry, ids } = hubOf([source('</script>\r\n\nevent: look\ndata: {}')]);
  const browser = new Browser();
  telemetry.events.add(ids[0], 'broken', { text: '<img src=x onerror=alert(1)>\n\nevent: bye\n\n' });
  hub.add(browser, undefined);
  await seconds(0.1);
  const blocks = browser.text.split('\n\n').filter((block) => block !== '');
  expect(blocks.map((block) => block.split('\n').length)).toEqual(blocks.map(() => 2));
});
