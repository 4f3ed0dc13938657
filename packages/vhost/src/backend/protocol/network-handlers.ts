import { macFromBytes } from '@vio/net/internal';
import type { HandlerTable } from './handler.ts';

/** What only network devices have. */
export const networkHandlers = {
  NET_SET_MTU: ({ device }, mtu) => {
    device.mtu = mtu;
  },
  SEND_RARP: ({ device, announced }, payload) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, payload, true);
    const mac = macFromBytes(bytes);
    if (device.vdpa === undefined) device.announce(mac);
    else void device.vdpa.migrationDone(mac);
    announced(mac);
  },
} satisfies HandlerTable;
