import { VioError } from '@vio/native';

export function alreadyAttached(path: string, name: string): VioError {
  return new VioError(`the backend on ${path} has the vDPA device ${name} already`, {
    code: 'VIO_VDPA_ATTACHED',
    remedy: 'detach it first (detachVdpaDevice)',
  });
}

export function otherType(name: string, type: number): VioError {
  return new VioError(`the vDPA device ${name} is of virtio type ${type}, not a network card`, {
    code: 'VIO_VHOST_DEVICE_TYPE',
    remedy: 'attach a network card (type 1)',
  });
}

export function withIommu(name: string): VioError {
  return new VioError(`the vDPA device ${name} cannot serve drivers behind an I/O MMU`, {
    code: 'VIO_OPTION_CONFLICT',
    remedy: 'register the driver without iommuSupport',
  });
}

export function busy(name: string): VioError {
  return new VioError(`the vDPA device ${name} serves another frontend`, {
    code: 'VIO_VDPA_BUSY',
    remedy: 'a vDPA device serves one frontend at a time: end the other one, or attach another device',
    retryable: true,
  });
}

export function detached(name: string): VioError {
  return new VioError(`the vDPA device ${name} was detached`, {
    code: 'VIO_VDPA_DETACHED',
    remedy: 'nothing to mend: this side took it away; the frontend may connect again',
    retryable: true,
  });
}

export function unaligned(guestAddress: number, size: number): VioError {
  return new VioError(
    `${size} bytes of memory at guest address 0x${guestAddress.toString(16)} cannot be mapped for a device`,
    {
      code: 'VIO_VDPA_MEMORY',
      remedy: 'the frontend must share memory in whole pages of 4096 bytes',
    },
  );
}

export function ringTooLong(name: string, index: number, size: number, most: number): VioError {
  return new VioError(
    `ring ${index} has ${size} descriptors, the vDPA device ${name} takes ${most} at most`,
    { code: 'VIO_VHOST_RING', remedy: `use queue_size=${most} or less` },
  );
}

export function usedNonsense(name: string, index: number): VioError {
  return new VioError(`the vDPA device ${name} used a buffer of ring ${index} that it was not given`, {
    code: 'VIO_VDPA_RING',
    remedy: 'the device or its firmware is broken: reset it',
  });
}

export function deviceFailed(name: string, cause: unknown): VioError {
  return new VioError(`the vDPA device ${name} failed`, {
    code: 'VIO_VDPA_FAILED',
    remedy: 'see the cause: it is a defect of what implements the device',
    cause,
  });
}
