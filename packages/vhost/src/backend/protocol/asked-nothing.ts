import { VioError } from '@vio/native';

/** Why a connection ended on which nobody ever asked anything, which is how two backends get on with each other. */
export function askedNothing(reason: VioError): VioError {
  const { code, message, retryable } = reason;
  return new VioError(
    `${message}; nothing was asked before: if the other side waits, too, both are backends`,
    {
      code,
      remedy: 'one side has to be the frontend: a port, QEMU or testpmd with virtio_user, which asks first',
      retryable,
      cause: reason,
    },
  );
}
