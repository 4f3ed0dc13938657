// A vhost backend in a process of its own that sends every frame back, and sleeps after each. Argument: SOCKET
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { DeviceEndpoint } from '../support/endpoint.ts';

const [socket] = process.argv.slice(2);
const driver = VhostDriver.register(socket);
driver.callbacks({ newDevice: (device) => void serve(device) });
await driver.start();
process.send?.('started');
process.on('disconnect', () => process.exit(0));

async function serve(device: VhostDevice): Promise<void> {
  const endpoint = new DeviceEndpoint(device);
  for (let rounds = 0; device.running; rounds++) {
    let frames = endpoint.receive(0);
    // More polls or fewer before it sleeps: the next frame comes at every moment of falling asleep.
    for (let polls = rounds % 50; polls > 0 && frames.length === 0; polls--) frames = endpoint.receive(0);
    if (frames.length > 0) endpoint.send(0, frames);
    else await device.untilPackets();
  }
}
