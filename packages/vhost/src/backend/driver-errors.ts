import { VioError } from '@vio/native';

export const mostQueuePairs = 128;

export function queueCount(pairs: number, most: number): VioError {
  return new VioError(`${pairs} queue pairs cannot be offered`, {
    code: 'VIO_QUEUE_COUNT',
    remedy: `offer 1 to ${most}${most === mostQueuePairs ? '' : ', because of the control queue'}`,
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
