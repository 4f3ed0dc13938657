import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_RING_RESET, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { STATUS_FEATURES_OK, STATUS_NEEDS_RESET } from '@vio/net/internal';
import type { HandlerTable } from './handler.ts';

/** Bits of the modern interface: without VERSION_1 they mean nothing. */
const modernOnly = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_F_RING_RESET;

/** Device status (STATUS) and reset (RESET_DEVICE). */
export const statusHandlers = {
  /** STATUS_FEATURES_OK does not stay set for features that do not go together, and the driver sees that (section 3.1.1). */
  SET_STATUS: ({ device }, status) => {
    if (status === 0) device.resetByDriver();
    else device.status = fit(device.features) ? status : status & ~STATUS_FEATURES_OK;
  },
  /** A device with a ring that its driver broke needs a reset (section 2.1.2). */
  GET_STATUS: ({ device }) => device.status | (device.anyBroken ? STATUS_NEEDS_RESET : 0),
  RESET_DEVICE: ({ device }) => device.reset(),
} satisfies HandlerTable;

function fit(features: bigint): boolean {
  return (features & VIRTIO_F_VERSION_1) !== 0n || (features & modernOnly) === 0n;
}
