// The suites on vhost-vdpa, whose card sends everything back.
import { describeDeviceCompliance, describePortCompliance } from '@vio/net/testing';
import { FrontendDevice } from '@vio/vhost';
import { VhostVdpaTransport } from '@vio/vhost-kernel/internal';
import { openVirtioUser } from '@vio/virtio-user';
import { runSuites } from '../suite.ts';
import { Card, type CardOptions, vdpaNodes } from './vduse-process.ts';

/** @returns what came of every test */
export async function compliance(options: CardOptions): Promise<object> {
  const card = await Card.plug(options);
  const [path] = vdpaNodes();
  const alive = setInterval(() => {}, 1000);
  const results = await runSuites((runner) => {
    describeDeviceCompliance(
      'device',
      async () => ({ device: new FrontendDevice(await VhostVdpaTransport.open({ path })) }),
      runner,
    );
    describePortCompliance(
      'port',
      async () => {
        const port = await openVirtioUser({ path });
        return { port, close: () => port.close() };
      },
      runner,
    );
  });
  await card.unplug();
  clearInterval(alive);
  return { results };
}
