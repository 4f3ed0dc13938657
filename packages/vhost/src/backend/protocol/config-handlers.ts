import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { macFromBytes } from '@vio/net';
import { maxConfigBytes } from '../../wire/index.ts';
import { BackendChannel } from './backend-channel.ts';
import type { Handler, HandlerTable } from './handler.ts';
import { vhostError } from '../device/vhost-error.ts';

/** Bytes of the address, the only field a driver may write. */
const macBytes = 6;

const getConfig: Handler<'GET_CONFIG'> = ({ device }, { offset, data }) => {
  const space = new Uint8Array(maxConfigBytes);
  space.set(device.config.space());
  return { offset, flags: 0, data: space.slice(offset, offset + data.length) };
};

/** A driver of the modern interface has no field to write: it changes its address by the control queue. */
const setConfig: Handler<'SET_CONFIG'> = ({ device }, { offset, flags, data }) => {
  const migrates = flags === 1;
  const writable = offset + data.length <= macBytes;
  if (!writable || (!migrates && (device.features & VIRTIO_F_VERSION_1) !== 0n)) {
    throw vhostError(
      'CONFIG',
      `${data.length} bytes at ${offset} of the configuration are not the driver's to write`,
    );
  }
  const mac = device.config.space().slice(0, macBytes);
  mac.set(data, offset);
  device.config.mac = macFromBytes(mac);
};

/** What this backend does about its configuration space (CONFIG), and to tell of changes in it (BACKEND_REQ). */
export const configHandlers = {
  GET_CONFIG: getConfig,
  SET_CONFIG: setConfig,
  SET_BACKEND_REQ_FD: ({ device }, _, fds) => {
    device.config.setChannel(BackendChannel.adopt(fds[0]));
  },
} satisfies HandlerTable;
