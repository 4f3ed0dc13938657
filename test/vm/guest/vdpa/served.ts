// The kernel's vhost-vdpa as a device that works for the frontends of a backend. Its card, in another process, sends everything back.
import { VhostVdpaDevice } from '@vio/vhost-kernel';
import { until } from '@vio/test-support/plain';
import { codeOfOpening } from '../opening-code.ts';
import { Behind, moved, suite } from '../vdpa-behind.ts';
import { Card, type CardOptions, vdpaNodes } from './vduse-process.ts';

/** @returns what came of the suite, of a guest that is moved, and of a card that is deleted */
export async function served(options: CardOptions): Promise<object> {
  const alive = setInterval(() => {}, 1000);
  const card = await Card.plug(options);
  const [path] = vdpaNodes();
  const results = await suite(async () => {
    const opened = await VhostVdpaDevice.open(path);
    return { device: opened, close: () => opened.close() };
  }, false);
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
  return { results, taken, journey, ended: behind.ended.at(-1), down: device.down?.code };
}
