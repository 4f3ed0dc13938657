import { VioError } from '@vio/native';
import type { DescriptorWords, InflightEntries } from '@vio/rings/internal';
import type { ServedDevice } from './served-device.ts';

/** A ring's journal, and the ring it is of. */
export interface OwnEntries {
  readonly entries: InflightEntries;
  readonly ring: DescriptorWords;
}

/**
 * The journal of a ring that its application walks by itself.
 * @throws VioError VIO_VHOST_STATE when the ring does not run, has no journal, or this library keeps it
 */
export function ownEntries(served: ServedDevice, queue: number): OwnEntries {
  const vring = served.vrings[queue];
  const ring = vring?.descriptorWords;
  if (vring === undefined || ring === undefined)
    throw notOurs(`ring ${queue} does not run`, 'wait for vringStateChanged');
  if (vring.raw === undefined || vring.raw.fetched)
    throw notOurs(
      `chains of ring ${queue} are fetched by the library, which notes them down by itself`,
      'walk rings of a device of a type of your own, from their start on, or leave their notes alone',
    );
  vring.ownEntries ??= served.setup.inflightEntries(vring);
  if (vring.ownEntries === undefined)
    throw notOurs(
      `ring ${queue} has no inflight buffer`,
      'look at `vringInflight`: only some frontends keep one (INFLIGHT_SHMFD)',
    );
  return { entries: vring.ownEntries, ring };
}

function notOurs(message: string, remedy: string): VioError {
  return new VioError(message, { code: 'VIO_VHOST_STATE', remedy });
}
