import { maxConfigBytes } from '../../wire/index.ts';
import { BackendChannel } from './backend-channel.ts';
import type { Handler, HandlerTable } from './handler.ts';
import { vhostError } from '../errors/vhost-error.ts';

const getConfig: Handler<'GET_CONFIG'> = ({ device }, { offset, data }) => {
  const space = new Uint8Array(maxConfigBytes);
  space.set(device.config.space());
  return { offset, flags: 0, data: space.slice(offset, offset + data.length) };
};

const setConfig: Handler<'SET_CONFIG'> = ({ device }, { offset, flags, data }) => {
  if (device.config.write({ offset, data, migrates: flags === 1, features: device.features })) return;
  throw vhostError(
    'CONFIG',
    `${data.length} bytes at ${offset} of the configuration are not the driver's to write`,
  );
};

/** What this backend does about its configuration space (CONFIG), and to tell of changes in it (BACKEND_REQ). */
export const configHandlers = {
  GET_CONFIG: getConfig,
  SET_CONFIG: setConfig,
  SET_BACKEND_REQ_FD: ({ device }, _, fds) => {
    device.setChannel(BackendChannel.adopt(fds[0]));
  },
} satisfies HandlerTable;
