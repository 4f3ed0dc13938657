// A backend in a process of its own, which can be killed. Arguments: socket, queue pairs, address of the host behind it, `client` or
// `server`.
import { VIRTIO_F_RING_PACKED } from '@vio/rings';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { Station } from '../support/station.ts';
import { sayRingsWhenAsked } from './rings-said.ts';
import { tell } from './say.ts';
import { type Said, lastPort } from './vhost-user-plan.ts';

const [socket, pairs, address, role] = process.argv.slice(2);
const say = (said: Said): boolean => tell(said);

const station = new Station(address, (port) => {
  if (port !== lastPort) return;
  say({ datagrams: station.datagrams });
  process.kill(process.pid, 'SIGKILL');
});
const devices = new Set<VhostDevice>();
sayRingsWhenAsked(devices);
const driver = VhostDriver.register(socket, { client: role === 'client' });
driver.setQueueNum(Number(pairs));
driver.callbacks({
  newConnection: (device) => {
    devices.add(device);
    station.serve(device);
  },
  destroyConnection: (device) => void devices.delete(device),
  newDevice: (device) => {
    say({ device: { packed: (device.features & VIRTIO_F_RING_PACKED) !== 0n, pairs: device.pairsInUse } });
  },
  destroyDevice: () => say({ datagrams: station.datagrams }),
  refused: (_, { code, message }) => say({ trouble: `${code}: ${message}` }),
  broken: (_, queue, { code, detail }) => say({ trouble: `ring ${queue}: ${code}, ${detail}` }),
  baseCorrected: (_, queue) => say({ corrected: queue }),
});
await driver.start();
say({ started: true });
