import { VioError } from '@vio/native';
import type { QueueFault } from '@vio/rings';
import type { LinkState } from './port-events.ts';

export function brokenError(direction: 'receive' | 'transmit', pair: number, fault: QueueFault): VioError {
  return new VioError(`${direction} queue ${pair} is broken: ${fault.detail}`, {
    code: 'VIO_QUEUE_BROKEN',
    remedy: 'the backend wrote what no backend may write: close the port, and mend or replace the backend',
  });
}

export function notInUseError(pair: number): VioError {
  return new VioError(`queue pair ${pair} is not in use`, {
    code: 'VIO_QUEUE_NOT_IN_USE',
    remedy: 'send on another pair, or have the device use more of them with port.control.setQueuePairs',
  });
}

export function stoppedError(): VioError {
  return new VioError('the port is stopped', {
    code: 'VIO_PORT_STOPPED',
    remedy: 'start it with port.start()',
    retryable: true,
  });
}

export function queueStoppedError(direction: 'receive' | 'transmit', pair: number): VioError {
  return new VioError(`${direction} queue ${pair} is stopped`, {
    code: 'VIO_QUEUE_STOPPED',
    remedy: 'start it with port.startQueue, or use another queue',
    retryable: true,
  });
}

export function linkDownError({ reason }: LinkState): VioError {
  return new VioError(reason === undefined ? 'the port is closed' : 'the link is down', {
    code: 'VIO_LINK_DOWN',
    remedy: 'wait for the backend to come back, or open the port again',
    retryable: true,
    cause: reason,
  });
}

export function busyError(pair: number): VioError {
  return new VioError(`receive queue ${pair} is being read already`, {
    code: 'VIO_QUEUE_BUSY',
    remedy:
      'keep one iterator or stream for a queue pair, and end it (return, cancel) before the next begins',
  });
}

export function frameSizeError(bytes: number, remedy: string): VioError {
  return new VioError(`a frame of ${bytes} bytes cannot be sent`, { code: 'VIO_FRAME_SIZE', remedy });
}
