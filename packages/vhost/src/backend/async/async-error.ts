import { VioError } from '@vio/native';

type Kind = 'OFF' | 'CALLBACK' | 'CHANNEL' | 'INFLIGHT' | 'DMA' | 'ENGINE';

const remedies: Record<Kind, string> = {
  OFF: 'register the driver with asyncCopy: true, which locks the memory that an engine copies to and from',
  CALLBACK: 'call its ThreadUnsafe variant in a callback, as in DPDK',
  CHANNEL: 'register one channel for a ring that its frontend has named, and unregister it before the next',
  INFLIGHT:
    'take them back first: pollEnqueueCompleted or tryDequeueBurst while they are copied, or clearQueue',
  DMA: 'call dmaConfigure(engine) once before a channel uses the engine, and dmaUnconfigure after the last one',
  ENGINE: 'mend the engine: until it is configured anew the calling thread copies in its place',
};

/** What is wrong with the use of asynchronous copies: code `VIO_VHOST_ASYNC_<kind>`. */
export function asyncError(kind: Kind, message: string, cause?: unknown): VioError {
  return new VioError(message, {
    code: `VIO_VHOST_ASYNC_${kind}`,
    remedy: remedies[kind],
    retryable: kind === 'INFLIGHT',
    ...(cause === undefined ? {} : { cause }),
  });
}
