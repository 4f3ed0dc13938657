// The example pci-forward as a process of its own, with the kernel's TCP going through it. The bundle of this program
// holds the example as well: a guest opens one file faster than a hundred.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { sh } from '../commands.ts';
import { tcpEcho } from '../tcp-echo.ts';
import { intoNamespace, outOfNamespace } from './transfer.ts';
import { giveBack, hand, interfaceOf, otherEnd } from './wire.ts';

/** @param second another card, or the tap that a virtio-user port is to make */
export async function example(driver: string, card: string, second: string, bytes: number) {
  const isTap = second.startsWith('tap');
  const cards = isTap ? [card] : [card, second];
  for (const each of cards) hand(each, driver);
  const ports = isTap ? [card, `path=/dev/vhost-net,iface=${second}`] : cards;
  const child = spawn(process.execPath, [process.argv[1], 'pci-forward', ...ports], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  while (!said.includes('forwarding between')) await once(child.stdout, 'data');

  const far = [interfaceOf(otherEnd(card)), isTap ? second : interfaceOf(otherEnd(second))];
  intoNamespace('red', far[0], '10.7.0.1', 1500);
  intoNamespace('blue', far[1], '10.7.0.2', 1500);
  const echo = await tcpEcho('red', 'blue', '10.7.0.2', bytes);
  child.kill('SIGTERM');
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  outOfNamespace('red', far[0]);
  if (isTap) await sh('ip netns del blue');
  else outOfNamespace('blue', far[1]);
  const forwarded = /forwarded (\d+) frames there, (\d+) back/.exec(said)?.slice(1).map(Number) ?? [];
  return { ...echo, exitCode, forwarded, givenBack: cards.every((each) => giveBack(each)) };
}
