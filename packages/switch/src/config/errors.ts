import { VioError } from '@vio/native';

type Kind =
  | 'ACTIVATION'
  | 'CONFIG'
  | 'PORT_EXISTS'
  | 'PORT_MISSING'
  | 'BRIDGE_MISSING'
  | 'PORTS_FULL'
  | 'STATE'
  | 'DIRECTORY'
  | 'IN_USE'
  | 'INTERFACE_TAKEN'
  | 'CLOSED'
  | 'CONTROL'
  | 'HTTP';

const retryable = new Set<Kind>(['PORTS_FULL', 'CLOSED']);

/** What a switch cannot do: code `VIO_SWITCH_<kind>`. */
export function switchError(kind: Kind, message: string, remedy: string, cause?: unknown): VioError {
  return new VioError(message, {
    code: `VIO_SWITCH_${kind}`,
    remedy,
    retryable: retryable.has(kind),
    ...(cause === undefined ? {} : { cause }),
  });
}
