// The transport of the example does what ports rely on, and its port what applications do.
import { openPort } from '@vio/net';
import { describeDeviceCompliance, describePortCompliance } from '@vio/net/testing';
import { describe, it } from 'vitest';
import { LoopbackDevice } from '@vio-examples/own-transport';

const runner = { describe, it };
describeDeviceCompliance('a device in this process', () => ({ device: new LoopbackDevice() }), runner);
describePortCompliance(
  'a port on a device in this process',
  async () => {
    const port = await openPort(new LoopbackDevice());
    return { port, close: () => port.close() };
  },
  runner,
);
