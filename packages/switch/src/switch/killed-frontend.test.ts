// Frontends that are killed while they send: they put nothing in order.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { broadcast, frame, holdings, holdingsLike, macOf, until } from '@vio/test-support';
import { expect, it } from 'vitest';
import { type Network, onThreads } from '../test-support/network.ts';

const virtioUser = new URL('../../../virtio-user/dist/index.js', import.meta.url).href;

/** A frontend in a process of its own, which sends broadcasts from 02:00:00:00:00:07 as fast as it can. */
function talker(socket: string): ChildProcess {
  const program = `
    const { openVirtioUser } = await import(${JSON.stringify(virtioUser)});
    const port = await openVirtioUser({ path: ${JSON.stringify(socket)} });
    const frame = Uint8Array.from({ length: 60 }, (_, i) => (i < 6 ? 0xff : i === 6 ? 2 : i === 11 ? 7 : 0));
    for (;;) await port.send(frame);`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** One that has sent a thousand frames, and is killed. */
async function killOneOn(network: Network, port: string): Promise<void> {
  const before = network.counter(port, 'rx_frames');
  const child = talker(network.socket(port));
  await until(() => network.counter(port, 'rx_frames') > before + 1000);
  const heard = network.fabric.macs().map(({ port: name }) => name);
  child.kill('SIGKILL');
  await once(child, 'close');
  await until(() => !network.fabric.port(port).connected);
  expect([heard.includes(port), network.fabric.port(port).connected]).toEqual([true, false]);
}

onThreads((start, workers) => {
  it('a frontend that is killed while it sends disturbs nobody: the switch forgets it, and takes the next one', async () => {
    await using network = await start({ a: { worker: 0 }, c: { worker: workers - 1 } });
    const socket = network.socket('b');
    await network.fabric.addPort({ name: 'b', bridge: 'br', socket, worker: workers - 1 });
    await killOneOn(network, 'b');
    const before = holdings();
    for (let round = 0; round < 3; round++) await killOneOn(network, 'b');
    await until(() => network.fabric.macs().length === 0);
    expect(network.fabric.macs()).toEqual([]);
    const sent = frame(broadcast, macOf(1));
    expect(await network.send('a', sent)).toEqual({ c: [sent] });
    expect(await network.send('c', sent)).toEqual({ a: [sent] });
    expect(await holdingsLike(before)).toEqual(before);
  });
});
