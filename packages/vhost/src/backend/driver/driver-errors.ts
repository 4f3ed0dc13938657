import { VioError } from '@vio/native';
import { protocolFeatureNames } from '../../wire/index.ts';

/** @param withheld protocol features that a flag of `register` switches on */
export function withoutFlag(withheld: bigint): VioError {
  return new VioError(
    `the protocol features ${protocolFeatureNames(withheld).join(', ')} are not implemented without their flag`,
    {
      code: 'VIO_VHOST_UNSUPPORTED_FEATURES',
      remedy: 'register the driver with postcopySupport: true',
    },
  );
}

/** @param what only network cards have */
export function notNet(what: string, type: string): VioError {
  return new VioError(`${what} is for network cards, and this is a device of the type ${type}`, {
    code: 'VIO_VHOST_DEVICE_TYPE',
    remedy: 'say it in the device type that is given to VhostDriver.register',
  });
}

/** @param what only sockets have */
export function notSocket(what: string): VioError {
  return new VioError(`${what} is for sockets, not for /dev/vduse`, {
    code: 'VIO_OPTION_CONFLICT',
    remedy: 'register a path of a socket',
  });
}

export function tooMany(path: string, connections: number): VioError {
  return new VioError(`a frontend was refused on ${path}: ${connections} are connected`, {
    code: 'VIO_VHOST_CONNECTIONS',
    remedy: 'raise maxConnections, or see who connects so often',
    retryable: true,
  });
}

export function noDescriptors(): VioError {
  return new VioError('the connection made room for an older one: no file descriptor was left', {
    code: 'VIO_VHOST_DESCRIPTORS',
    remedy: 'raise the limit of open files (ulimit -n), or lower maxConnections',
    retryable: true,
  });
}

export function startedBefore(path: string): VioError {
  return new VioError(`the backend on ${path} was started or closed before`, {
    code: 'VIO_VHOST_STARTED',
    remedy: 'start a driver once; register another one to serve again',
  });
}

export function closed(path: string): VioError {
  return new VioError(`the backend on ${path} was closed`, {
    code: 'VIO_VHOST_CLOSED',
    remedy: 'nothing to mend: this side ended it',
  });
}
