// A port that sends one frame as soon as it can, and stays until its input ends. Argument: SOCKET
import { openVirtioUser } from '@vio/virtio-user';

const port = await openVirtioUser(`net_virtio_user0,path=${process.argv[2]}`);
await port.send(new Uint8Array(64).fill(0xff));
process.stdin.resume().on('end', () => void port.close());
