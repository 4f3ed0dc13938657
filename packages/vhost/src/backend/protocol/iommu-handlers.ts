import { vhostError } from '../errors/vhost-error.ts';
import type { HandlerTable } from './handler.ts';

/** What this backend does about translations of I/O virtual addresses (ACCESS_PLATFORM). */
export const iommuHandlers = {
  IOTLB_MSG: ({ device }, message) => {
    if (device.iommu === undefined)
      throw vhostError('NOT_NEGOTIATED', 'IOTLB_MSG came without the feature ACCESS_PLATFORM');
    device.iommu.say(message);
  },
} satisfies HandlerTable;
