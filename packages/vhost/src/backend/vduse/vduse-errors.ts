import { type KnownErrors, VioError } from '@vio/native';

type Kind = 'UNAVAILABLE' | 'REFUSED' | 'BUSY' | 'BROKEN' | 'QUEUES' | 'STATE';

const remedies: Record<Kind, string> = {
  UNAVAILABLE:
    'load the kernel module vduse (modprobe vduse), and run as a user who may open /dev/vduse/control',
  REFUSED: 'offer less: this kernel takes no VDUSE device with these features, or of this type',
  BUSY: 'another process serves this device: give this one another name',
  BROKEN:
    'take the device off the bus (vdpa dev del NAME); it is made anew then. Answer the kernel within msg_timeout',
  QUEUES: 'offer as many queue pairs as its last server did, or take it off the bus (vdpa dev del NAME)',
  STATE: 'give stateDirectory a directory on a tmpfs, in which this user may make files',
};

/** What is wrong with a VDUSE device: code `VIO_VDUSE_<kind>`. */
export function vduseError(kind: Kind, message: string, cause?: unknown): VioError {
  return new VioError(message, {
    code: `VIO_VDUSE_${kind}`,
    remedy: remedies[kind],
    // Off the bus, or left by its server, it can be served.
    retryable: kind === 'BUSY' || kind === 'BROKEN' || kind === 'QUEUES',
    ...(cause === undefined ? {} : { cause }),
  });
}

const known = (kind: Kind): { code: string; remedy: string } => ({
  code: `VIO_VDUSE_${kind}`,
  remedy: remedies[kind],
});

/** What errnos mean when the control node, or that of a device, is opened. */
export const openErrors: KnownErrors = {
  ENOENT: known('UNAVAILABLE'),
  ENODEV: known('UNAVAILABLE'),
  EACCES: known('UNAVAILABLE'),
  EPERM: known('UNAVAILABLE'),
  EBUSY: { ...known('BUSY'), retryable: true },
};

/** ... when a device is made. */
export const createErrors: KnownErrors = { EINVAL: known('REFUSED'), EPERM: known('UNAVAILABLE') };
