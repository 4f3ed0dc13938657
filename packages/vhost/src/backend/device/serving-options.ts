import type { DequeueOptions } from '../packets/dequeue-options.ts';
import type { VdpaDevice } from '../vdpa/vdpa-device.ts';
import type { MappingOptions } from '../vring/driver-memory.ts';

/** How a device is served, as its application said. */
export interface ServingOptions {
  readonly dequeue?: DequeueOptions;
  readonly memory?: MappingOptions;
  /** Its driver may be behind an I/O MMU. */
  readonly iommu?: boolean;
  /** Milliseconds that a page may take which follows a guest. */
  readonly postcopyTimeout?: number;
  /** What works on its rings, in the place of this process. */
  readonly vdpa?: VdpaDevice | undefined;
  /** Packets may be copied beside this thread. */
  readonly asyncCopy?: boolean;
}

/** What serves a device that no connection builds up, and has to hear of more than those. It is called in the middle of bursts, and never throws. */
export interface DeviceHost {
  /** A ring met an address without memory. True: there is more than was known, and the rings go on in it. */
  memoryMissed(): boolean;
  /** A command on the control queue was carried out, and is not answered yet. */
  commandDone(): void;
}
