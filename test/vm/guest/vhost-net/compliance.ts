// The suites on vhost-net: two taps in a bridge that learns nothing, and a port on the far one that sends every frame back.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeDeviceCompliance, describePortCompliance } from '@vio/net/testing';
import { FrontendDevice } from '@vio/vhost';
import { VhostNetTransport } from '@vio/vhost-kernel/internal';
import { openVirtioUser } from '@vio/virtio-user';
import { ip } from '../commands.ts';
import { mirror } from '../mirror.ts';
import { runSuites } from '../suite.ts';

const path = '/dev/vhost-net';
const bridge = 'mirror';
const near = 'tap-near';
const far = 'tap-far';

/** @returns what came of every test */
export async function compliance(): Promise<object> {
  // The kernel would look for neighbours on every interface that is new.
  silence('1');
  ip([`link add ${bridge} type bridge ageing_time 0 mcast_snooping 0`, `link set ${bridge} up`]);
  const echo = await openVirtioUser(`net_virtio_user0,path=${path},iface=${far}`);
  ip([`link set ${far} master ${bridge} up`]);
  const stop = new AbortController();
  const mirroring = mirror(echo, stop.signal);
  // An idle port does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  const results = await runSuites((runner) => {
    describeDeviceCompliance(
      'device',
      () => {
        const transport = VhostNetTransport.open({ path, iface: near, queues: 1 });
        join();
        return { device: new FrontendDevice(transport) };
      },
      runner,
    );
    describePortCompliance(
      'port',
      async () => {
        const port = await openVirtioUser(`net_virtio_user0,path=${path},iface=${near}`);
        join();
        while (!port.link.up) await sleep(10);
        return { port, close: () => port.close() };
      },
      runner,
    );
  });
  stop.abort();
  await mirroring;
  await echo.close();
  clearInterval(alive);
  ip([`link del ${bridge}`]);
  silence('0');
  return { results };
}

function silence(disabled: '0' | '1'): void {
  for (const which of ['all', 'default'])
    writeFileSync(`/proc/sys/net/ipv6/conf/${which}/disable_ipv6`, disabled);
}

/** A tap is new with every device. */
function join(): void {
  ip([`link set ${near} master ${bridge} up`]);
}
