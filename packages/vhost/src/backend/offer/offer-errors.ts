import { VioError } from '@vio/native';
import { protocolFeatureNames } from '../../wire/index.ts';

export const mostQueuePairs = 128;

export function queueCount(pairs: number, most: number): VioError {
  return new VioError(`${pairs} queue pairs cannot be offered`, {
    code: 'VIO_QUEUE_COUNT',
    remedy: `offer 1 to ${most}${most === mostQueuePairs ? '' : ', because of the control queue'}`,
  });
}

/** @param beyond features that are not implemented */
export function unsupportedFeatures(beyond: bigint, supported: bigint): VioError {
  return new VioError(`features 0x${beyond.toString(16)} are not implemented`, {
    code: 'VIO_VHOST_UNSUPPORTED_FEATURES',
    remedy: `offer a subset of 0x${supported.toString(16)}`,
  });
}

/** @param beyond protocol features that are not implemented */
export function unsupportedProtocol(beyond: bigint, supported: bigint): VioError {
  return new VioError(
    `the protocol features ${protocolFeatureNames(beyond).join(', ')} are not implemented`,
    {
      code: 'VIO_VHOST_UNSUPPORTED_FEATURES',
      remedy: `offer some of ${protocolFeatureNames(supported).join(', ')}`,
    },
  );
}

export function iommuUnsaid(missing: bigint): VioError {
  return new VioError(
    `iommuSupport needs the protocol features ${protocolFeatureNames(missing).join(', ')}`,
    {
      code: 'VIO_OPTION_CONFLICT',
      remedy: 'leave them in setProtocolFeatures, or leave iommuSupport out',
    },
  );
}
