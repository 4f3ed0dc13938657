// The example power-forward as a process of its own, on the cards that it finds, as DPDK's l3fwd-power takes them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tcpEcho } from '../tcp-echo.ts';
import { intoNamespace, outOfNamespace } from './transfer.ts';
import { giveBack, hand, interfaceOf, otherEnd } from './wire.ts';

export async function power(driver: string, first: string, second: string, bytes: number) {
  const cards = [first, second].toSorted();
  for (const card of cards) hand(card, driver);
  const line = ['-l', '0-1', '-n', '4', '--', '-p', '3', '-P', '--config=(0,0,1),(1,0,1)', '--no-numa'];
  const child = spawn(process.execPath, [process.argv[1], 'power-forward', ...line, '--parse-ptype'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  while (!/^forwarding$/m.test(said)) await once(child.stdout, 'data');

  const [red, blue] = cards.map((card) => interfaceOf(otherEnd(card)));
  intoNamespace('red', red, '10.7.0.1', 1500);
  intoNamespace('blue', blue, '10.7.0.2', 1500);
  const echo = await tcpEcho('red', 'blue', '10.7.0.2', bytes);
  child.kill('SIGTERM');
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  outOfNamespace('red', red);
  outOfNamespace('blue', blue);
  const told = /^lcore 1: (\d+) frames, (\d+) IPv4, .*, slept (\d+) times$/m.exec(said)?.slice(1).map(Number);
  const ways = [...said.matchAll(/^lcore 1: (port . queue . -> port .)$/gm)].map(([, way]) => way);
  return { ...echo, exitCode, ways, told, givenBack: cards.every((card) => giveBack(card)) };
}
