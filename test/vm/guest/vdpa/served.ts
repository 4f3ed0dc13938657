// The kernel's vhost-vdpa as a device that works for the frontends of a backend. Its card, in another process, sends everything back.
import { VhostVdpaDevice } from '@vio/vhost-kernel';
import { until } from '@vio/test-support/plain';
import { codeOfOpening } from '../opening-code.ts';
import { Behind, byCommand, moved, suite } from '../vdpa-behind.ts';
import { exchange, makeFrames } from './traffic.ts';
import { Card, type CardOptions, vdpaNodes } from './vduse-process.ts';

/** @returns what came of the suite, of the command, of a guest that is moved, and of a card that is deleted */
export async function served(options: CardOptions): Promise<object> {
  const alive = setInterval(() => {}, 1000);
  const card = await Card.plug(options);
  const [path] = vdpaNodes();
  const results = await suite(async () => {
    const opened = await VhostVdpaDevice.open(path);
    return { device: opened, close: () => opened.close() };
  }, false);
  const command = await byCommand(path);
  const device = await VhostVdpaDevice.open(path);
  const taken = await codeOfOpening(VhostVdpaDevice.open(path));
  const behind = await Behind.start(device);
  const journey = await moved(behind.path, 20);
  const port = await behind.port();
  const removing = card.remove();
  await until(() => behind.ended.length > 1, 20_000);
  await port.close();
  await behind[Symbol.asyncDispose]();
  device.close();
  await removing;
  await card.end();
  clearInterval(alive);
  return { results, command, taken, journey, ended: behind.ended.at(-1), down: device.down?.code };
}

/** A card with several queue pairs that works for a frontend. @returns what came back by each of them */
export async function servedPairs(options: CardOptions): Promise<object> {
  const card = await Card.plug(options);
  const [path] = vdpaNodes();
  const device = await VhostVdpaDevice.open(path);
  const behind = await Behind.start(device);
  const port = await behind.port(options.pairs);
  const pairs = await Promise.all(port.rx.map((_, queue) => exchange(port, queue, makeFrames(50, 1514))));
  await port.close();
  await behind[Symbol.asyncDispose]();
  device.close();
  const { looped } = await card.report();
  await card.unplug();
  return { queueNum: device.queueNum, pairs, looped, nodes: vdpaNodes() };
}
