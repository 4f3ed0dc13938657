import { VioError } from '@vio/native';

type Kind =
  | 'RING'
  | 'FEATURES'
  | 'STATE'
  | 'UNKNOWN_REQUEST'
  | 'NOT_NEGOTIATED'
  | 'FD'
  | 'UNREAD'
  | 'INFLIGHT'
  | 'CONFIG'
  | 'LOG'
  | 'IOTLB'
  | 'POSTCOPY'
  | 'CRYPTO_SESSION';

const remedies: Record<Kind, string> = {
  RING: 'the frontend must place its rings in the memory it shares, aligned, with an allowed size',
  FEATURES: 'the frontend may only accept features that were offered, and not change them while rings run',
  STATE: 'the frontend sent its messages in an order the protocol does not allow',
  UNKNOWN_REQUEST:
    'the frontend sent a request this backend does not know: negotiate its protocol feature first',
  CONFIG:
    'the frontend may write the address of a legacy device, and nothing else of the configuration space',
  IOTLB:
    'the frontend must translate addresses to memory that it shares, and leave the questions to the backend',
  INFLIGHT:
    'the frontend must ask for an inflight buffer after SET_FEATURES, for as many and as large rings as it has',
  POSTCOPY: 'the frontend must send the pages that the guest left behind, or raise postcopyTimeout',
  CRYPTO_SESSION: 'the frontend may close a session that it has opened, once',
  LOG: 'the frontend must share a log (SET_LOG_BASE) that has a bit for every page of the memory it shares',
  FD: 'the frontend must send an eventfd with SET_VRING_KICK, _CALL and _ERR',
  UNREAD: 'the frontend must read the answers to what it asks',
  NOT_NEGOTIATED: 'the frontend used a request whose protocol feature was not negotiated',
};

/** What a frontend did wrong: code `VIO_VHOST_<kind>`. */
export function vhostError(kind: Kind, message: string): VioError {
  return new VioError(message, { code: `VIO_VHOST_${kind}`, remedy: remedies[kind] });
}
