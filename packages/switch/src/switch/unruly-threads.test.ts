// Threads of a switch that fail, end, or stand still, with ports that are in use.
import {
  scratchDirectory,
  UnrulyThreads,
  type Unruliness,
  broadcast,
  codeOf,
  frame,
  macOf,
  until,
} from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MacTable } from '../fabric/mac-table.ts';
import { Network } from '../test-support/network.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** Two threads, with ports `a` and `c` on the main one, `b` and `d` on the other. */
async function unrulyNetwork(): Promise<{ network: Network; become: (what: Unruliness) => void }> {
  const unruly = new UnrulyThreads(scratchDirectory('unruly'));
  vi.stubEnv('NODE_OPTIONS', unruly.nodeOptions);
  const network = await Network.start({ a: {}, b: {}, c: {}, d: {} }, { workers: 2 });
  return { network, become: (what) => unruly.become(what) };
}

describe('a thread that fails', () => {
  it.each<[string, Unruliness]>([
    ['by an exception', 'throw'],
    ['by an end', 'exit'],
  ])('%s is told of, with all that waits for it, and keeps nothing of the addresses', async (...[, what]) => {
    const release = vi.spyOn(MacTable.prototype, 'release');
    const { network, become } = await unrulyNetwork();
    await using _ = network;
    become(what);
    await until(() => network.failures.length > 0 && release.mock.calls.length > 0);
    expect(network.failures).toEqual([expect.objectContaining({ code: 'VIO_SWITCH_THREAD' })]);
    expect(release).toHaveBeenCalledWith(1);
    const port = { name: 'e', bridge: 'br', socket: network.socket('e'), worker: 1 };
    expect(await codeOf(network.fabric.addPort(port))).toBe('VIO_SWITCH_THREAD');
    expect(await network.fabric.standing()).toEqual([1]);
    expect(network.fabric.ports().map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('a thread that stands still', () => {
  it('is told of by name, and keeps neither those who look nor the ports of others waiting', async () => {
    const { network, become } = await unrulyNetwork();
    await using _ = network;
    expect(await network.fabric.standing()).toEqual([]);
    become('hang');
    let standing: number[] = [];
    for (let tries = 0; standing.length === 0 && tries < 100; tries++)
      standing = await network.fabric.standing();
    expect([standing, network.failures]).toEqual([[1], []]);
    const fed = await Promise.race([network.fabric.turn().then(() => true), network.fabric.standing()]);
    expect(fed).toEqual([1]);
    const look = vi.spyOn(Atomics, 'wait');
    for (let i = 0; i < 10; i++) network.fabric.measured()['b'].stats();
    expect(look.mock.calls.length).toBeLessThan(5);
    expect(network.fabric.ports().map(({ name, link }) => [name, link !== undefined])).toEqual([
      ['a', true],
      ['b', false],
      ['c', true],
      ['d', false],
    ]);
    const sent = frame(broadcast, macOf(1));
    await network.host('a').port.send(sent);
    const heard: Uint8Array[] = [];
    await until(() => heard.push(...network.host('c').received()) > 0);
    expect(heard).toEqual([sent]);
  });

  it('does not keep a switch from its end, nor what waits for that thread', async () => {
    const { network, become } = await unrulyNetwork();
    await using _ = network;
    become('hang');
    for (let standing: number[] = []; standing.length === 0;) standing = await network.fabric.standing();
    const port = { name: 'e', bridge: 'br', socket: network.socket('e'), worker: 1 };
    const adding = codeOf(network.fabric.addPort(port));
    // It has begun by then.
    await network.fabric.standing();
    await network.stop();
    expect([await adding, network.failures]).toEqual(['VIO_SWITCH_THREAD', []]);
  });
});
