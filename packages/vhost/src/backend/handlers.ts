import { closeAll } from '../wire/index.ts';
import {
  type VringAddress,
  type VringFd,
  type VringState,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
} from '../wire/index.ts';
import { adoptEventFd } from './adopt-event-fd.ts';
import { configHandlers } from './config-handlers.ts';
import { inflightHandlers } from './inflight-handlers.ts';
import { memoryHandlers } from './memory-handlers.ts';
import { statusHandlers } from './status-handlers.ts';
import type { VhostDevice } from './vhost-device.ts';
import { vhostError } from './vhost-error.ts';
import { macFromBytes } from '@vio/net';
import { checkRingSize, VIRTIO_F_RING_PACKED } from '@vio/rings';

/** Protocol features this backend can serve. */
export const supportedProtocolFeatures =
  VHOST_USER_PROTOCOL_F_MQ |
  VHOST_USER_PROTOCOL_F_RARP |
  VHOST_USER_PROTOCOL_F_BACKEND_REQ |
  VHOST_USER_PROTOCOL_F_CONFIG |
  VHOST_USER_PROTOCOL_F_RESET_DEVICE |
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD |
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |
  VHOST_USER_PROTOCOL_F_REPLY_ACK |
  VHOST_USER_PROTOCOL_F_STATUS |
  VHOST_USER_PROTOCOL_F_NET_MTU;

/** What a handler works on. */
export interface HandlerContext {
  readonly device: VhostDevice;
  /** Device features offered, with bit 30. */
  readonly offered: bigint;
  readonly offeredProtocol: bigint;
  /** Queue pairs offered. */
  readonly queuePairs: number;
  /** The frontend asks that the network be told where an address is now. */
  readonly announced: (mac: string) => void;
}

/** Handles one request whose payload and descriptors were validated; the descriptors become the handler's. */
export type Handler<P> = (context: HandlerContext, payload: P, fds: readonly number[]) => unknown;

const nothing: Handler<unknown> = () => undefined;

/**
 * What this backend does for each request, by its name; a request without a row is unknown to it. The result is the
 * answer, for requests that have one.
 */
export const handlers: Readonly<Record<string, Handler<never>>> = {
  GET_FEATURES: ({ offered }) => offered,
  SET_FEATURES: ({ device, offered }, features: bigint) => {
    if ((features & ~offered) !== 0n) {
      throw vhostError('FEATURES', `features 0x${(features & ~offered).toString(16)} were never offered`);
    }
    device.setFeatures(features);
  },
  SET_OWNER: nothing,
  RESET_OWNER: ({ device }) => device.reset(),
  GET_PROTOCOL_FEATURES: ({ offeredProtocol }) => offeredProtocol,
  SET_PROTOCOL_FEATURES: ({ device, offeredProtocol }, features: bigint) => {
    if ((features & ~offeredProtocol) !== 0n) {
      throw vhostError('FEATURES', `protocol features 0x${features.toString(16)} go beyond what was offered`);
    }
    device.protocolFeatures = features;
  },
  GET_QUEUE_NUM: ({ queuePairs }) => queuePairs,
  SET_VRING_NUM: ({ device, queuePairs }, { index, value }: VringState) => {
    const vring = ring(device, index, queuePairs);
    const format = (device.features & VIRTIO_F_RING_PACKED) === 0n ? 'split' : 'packed';
    checkRingSize({ format, inOrder: false, indirect: false, eventIdx: false }, value);
    if (vring.running && vring.size !== value) {
      if (vring.enabled) throw vhostError('STATE', `ring ${index} runs: its size cannot change`);
      device.startOver(vring);
    }
    vring.size = value;
  },
  SET_VRING_ADDR: ({ device, queuePairs }, addresses: VringAddress) => {
    device.place(ring(device, addresses.index, queuePairs), addresses);
  },
  SET_VRING_BASE: ({ device, queuePairs }, { index, value }: VringState) => {
    const vring = ring(device, index, queuePairs);
    // It was only disabled before another one is set up in its place.
    if (vring.running && !vring.enabled) device.startOver(vring);
    vring.sayBase(value);
  },
  GET_VRING_BASE: ({ device, queuePairs }, { index }: VringState) => ({
    index,
    value: device.stopVring(ring(device, index, queuePairs)),
  }),
  SET_VRING_KICK: ({ device, queuePairs }, { index }: VringFd, fds) => {
    const vring = ownedRing(device, index, queuePairs, fds);
    // The control queue watches its kick.
    if (vring.control !== null) vring.pause();
    vring.kick = adoptEventFd(vring.kick, fds);
    vring.started = true;
  },
  SET_VRING_CALL: ({ device, queuePairs }, { index }: VringFd, fds) => {
    const vring = ownedRing(device, index, queuePairs, fds);
    vring.setCall(adoptEventFd(vring.call, fds));
  },
  SET_VRING_ERR: ({ device, queuePairs }, { index }: VringFd, fds) => {
    const vring = ownedRing(device, index, queuePairs, fds);
    vring.err = adoptEventFd(vring.err, fds);
  },
  SET_VRING_ENABLE: ({ device, queuePairs }, { index, value }: VringState) => {
    // QEMU enables rings before it has said anything of features; and DPDK's frontend, as a server, stops its old device
    // on the connection of the backend that came after.
    const early = device.features === 0n;
    if (!early && (device.features & VHOST_USER_F_PROTOCOL_FEATURES) === 0n) {
      throw vhostError('NOT_NEGOTIATED', 'SET_VRING_ENABLE without the feature PROTOCOL_FEATURES');
    }
    ring(device, index, queuePairs).asked = value === 1;
  },
  NET_SET_MTU: ({ device }, mtu: number) => {
    device.mtu = mtu;
  },
  SEND_RARP: ({ announced }, payload: bigint) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, payload, true);
    announced(macFromBytes(bytes));
  },
  ...statusHandlers,
  ...configHandlers,
  ...inflightHandlers,
  ...memoryHandlers,
};

/** A ring within what was offered: two per pair, and the control queue DPDK's frontend counts as one more. */
function ring(device: VhostDevice, index: number, queuePairs: number) {
  if (index > 2 * queuePairs) {
    throw vhostError('RING', `ring ${index} does not exist, ${queuePairs} queue pairs are offered`);
  }
  return device.vring(index);
}

function ownedRing(device: VhostDevice, index: number, queuePairs: number, fds: readonly number[]) {
  try {
    return ring(device, index, queuePairs);
  } catch (error) {
    closeAll(fds);
    throw error;
  }
}
