// A port that sleeps until its receive interrupt and then sends back what came. Argument: SOCKET
import { openVirtioUser } from '@vio/virtio-user';

const port = await openVirtioUser(`net_virtio_user0,path=${process.argv[2]}`);
const [rx] = port.rx;
const [tx] = port.tx;
const burst = port.burst();
while (port.link.up) {
  while (rx.receive(burst) > 0) burst.release(port.pool, tx.send(burst));
  await port.untilPackets();
}
