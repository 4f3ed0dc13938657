// A vhost backend in a process of its own that sends every frame back. Arguments: SOCKET QUEUES [client]
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { DeviceEndpoint } from '../support/endpoint.ts';
import { echo } from '../support/exchange.ts';

const [socket, queues, role] = process.argv.slice(2);
const driver = VhostDriver.register(socket, { client: role === 'client' });
driver.setQueueNum(Number(queues));
const echoes = new Map<VhostDevice, { stop(): void }>();
driver.callbacks({
  newDevice: (device) => {
    echoes.set(device, echo(new DeviceEndpoint(device), Number(queues)));
  },
  destroyDevice: (device) => {
    echoes.get(device)?.stop();
    echoes.delete(device);
  },
});
await driver.start();
process.send?.('started');
process.on('disconnect', () => process.exit(0));
