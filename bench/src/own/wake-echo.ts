// A port that sleeps until its receive interrupt and then sends back what came. Arguments: SOCKET [blocking]
import { openVirtioUser } from '@vio/virtio-user';

const [, , socket, how] = process.argv;
const blocking = how === 'blocking';
const port = await openVirtioUser(`net_virtio_user0,path=${socket}`);
const [rx] = port.rx;
const [tx] = port.tx;
const burst = port.burst();
while (port.link.up) {
  while (rx.receive(burst) > 0) burst.release(tx.send(burst));
  if (blocking) port.untilPacketsSync();
  else await port.untilPackets();
}
