import { describeDeviceCompliance } from '@vio/net/testing';
import { describe, it } from 'vitest';
import { FrontendDevice, VhostUserFrontend } from './frontend/index.ts';
import { controlFeatures } from './index.ts';
import { EchoBackend } from './testing/index.ts';
import { VHOST_USER_PROTOCOL_F_MQ, VHOST_USER_PROTOCOL_F_REPLY_ACK } from './wire/index.ts';

/** Our frontend on our backend. */
async function onBackend(configure: (backend: EchoBackend) => void) {
  const backend = new EchoBackend();
  configure(backend);
  await backend.start();
  const frontend = await VhostUserFrontend.connect(backend.path);
  return {
    device: new FrontendDevice(frontend),
    end: () => void backend[Symbol.asyncDispose](),
    close: () => backend[Symbol.asyncDispose](),
  };
}

const runner = { describe, it };
describeDeviceCompliance('vhost-user', () => onBackend(() => {}), runner);
describeDeviceCompliance(
  'vhost-user with several queue pairs and a control queue',
  () =>
    onBackend(({ driver }) => {
      driver.setQueueNum(4);
      driver.enableFeatures(controlFeatures);
    }),
  runner,
);
describeDeviceCompliance(
  'vhost-user with little of the protocol',
  () =>
    onBackend(({ driver }) =>
      driver.setProtocolFeatures(VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_REPLY_ACK),
    ),
  runner,
);
