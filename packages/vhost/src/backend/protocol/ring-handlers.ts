import { VIRTIO_F_RING_PACKED } from '@vio/rings';
import { checkRingSize } from '@vio/rings/internal';
import { VHOST_USER_F_PROTOCOL_FEATURES, closeAll } from '../../wire/index.ts';
import { vhostError } from '../errors/vhost-error.ts';
import type { Vring } from '../vring/vring.ts';
import { adoptEventFd } from './adopt-event-fd.ts';
import type { HandlerContext, HandlerTable } from './handler.ts';

/** What is said of one ring. */
export const ringHandlers = {
  SET_VRING_NUM: (context, { index, value }) => {
    const vring = ring(context, index);
    const { device } = context;
    const format = (device.features & VIRTIO_F_RING_PACKED) === 0n ? 'split' : 'packed';
    checkRingSize({ format }, value);
    if (vring.running && vring.size !== value) {
      if (vring.enabled) throw vhostError('STATE', `ring ${index} runs: its size cannot change`);
      device.setup.startOver(vring);
    }
    vring.size = value;
  },
  SET_VRING_ADDR: (context, addresses) => {
    context.device.setup.place(ring(context, addresses.index), addresses);
  },
  SET_VRING_BASE: (context, { index, value }) => {
    const vring = ring(context, index);
    // It was only disabled before another one is set up in its place.
    if (vring.running && !vring.enabled) context.device.setup.startOver(vring);
    vring.sayBase(value);
  },
  GET_VRING_BASE: (context, { index }) => ({
    index,
    value: context.device.setup.stop(ring(context, index)),
  }),
  SET_VRING_KICK: (context, { index }, fds) => {
    const vring = ownedRing(context, index, fds);
    vring.kicks.replace(adoptEventFd(fds));
    vring.started = true;
  },
  SET_VRING_CALL: (context, { index }, fds) => {
    const vring = ownedRing(context, index, fds);
    vring.calls.replace(adoptEventFd(fds));
  },
  SET_VRING_ERR: (context, { index }, fds) => {
    const vring = ownedRing(context, index, fds);
    const err = adoptEventFd(fds);
    vring.err?.close();
    vring.err = err;
  },
  SET_VRING_ENABLE: (context, { index, value }) => {
    const { features } = context.device;
    // QEMU enables rings before it has said anything of features; and DPDK's frontend, as a server, stops its old device
    // on the connection of the backend that came after.
    if (features !== 0n && (features & VHOST_USER_F_PROTOCOL_FEATURES) === 0n) {
      throw vhostError('NOT_NEGOTIATED', 'SET_VRING_ENABLE without the feature PROTOCOL_FEATURES');
    }
    ring(context, index).asked = value === 1;
  },
} satisfies HandlerTable;

/** A ring within what was offered. */
function ring({ device, rings }: HandlerContext, index: number): Vring {
  if (index >= rings) throw vhostError('RING', `ring ${index} does not exist, there are ${rings}`);
  return device.setup.vring(index);
}

function ownedRing(context: HandlerContext, index: number, fds: readonly number[]): Vring {
  try {
    return ring(context, index);
  } catch (error) {
    closeAll(fds);
    throw error;
  }
}
