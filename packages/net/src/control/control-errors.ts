import { VioError } from '@vio/native';
import { featureNames } from '../feature-bits.ts';
import { type ControlCommand, describeCommand } from './commands.ts';

/** The device answered VIRTIO_NET_ERR. */
export function commandRefused(command: ControlCommand): VioError {
  return new VioError(`the device does not ${describeCommand(command)}: it says no`, {
    code: 'VIO_CONTROL_REFUSED',
    remedy: 'ask for no more than the device offers: queue pairs, table entries, hash types, addresses',
  });
}

/** @param missing features that were not negotiated */
export function commandUnsupported(command: ControlCommand, missing: bigint): VioError {
  const names = featureNames(missing).join(' and ');
  return new VioError(`the device does not ${describeCommand(command)} without the feature ${names}`, {
    code: 'VIO_CONTROL_UNSUPPORTED',
    remedy: `open the port with a control queue (cq=1) on a backend that offers ${names}`,
  });
}

export function commandValue(what: string, remedy: string): VioError {
  return new VioError(what, { code: 'VIO_CONTROL_VALUE', remedy });
}

export function queueBroken(): VioError {
  return new VioError('the control queue is broken: the device used what nobody made available', {
    code: 'VIO_CONTROL_BROKEN',
    remedy: 'the device is defective: close the port, and open it anew',
  });
}

export function queueClosed(): VioError {
  return new VioError('the control queue was closed', {
    code: 'VIO_CONTROL_CLOSED',
    remedy: 'nothing to mend: the port it belongs to was closed, or lost its device',
  });
}
