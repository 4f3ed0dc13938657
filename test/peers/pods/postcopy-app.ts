// A backend in a container whose seccomp profile has no userfaultfd: a frontend that asks for postcopy, and one that does not. Prints
// what became of the first, and whether the second is served.
import { UnixStream } from '@vio/native';
import {
  VHOST_USER_PROTOCOL_F_PAGEFAULT,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VhostDriver,
  VhostUserFrontend,
  wire,
} from '@vio/vhost';
import { ScriptedFrontend } from '@vio/vhost/testing';

const path = '/run/vio/late.sock';
const driver = VhostDriver.register(path, { postcopySupport: true });
const ended = new Promise<object>((resolve) =>
  driver.callbacks({
    destroyConnection: (_, { code, message, remedy }) => resolve({ code, message, remedy }),
  }),
);
await driver.start();
const first = new ScriptedFrontend(await UnixStream.connect(path));
const wanted = VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_PAGEFAULT;
await first.send(wire.frontendRequests.SET_PROTOCOL_FEATURES, wanted);
await first.send(wire.frontendRequests.POSTCOPY_ADVISE, undefined);
const reason = await ended;
first.close();
const second = await VhostUserFrontend.connect(path);
const served = (await second.getFeatures()) !== 0n;
second.close();
await driver.close();
console.log(JSON.stringify({ ...reason, served }));
