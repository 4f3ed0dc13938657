import { VHOST_F_LOG_ALL, type VringAddress, type frontendRequests, type Request } from '../../wire/index.ts';
import type { VdpaHost } from './vdpa-host.ts';

/** What a device has to do before a request is handled: let go of everything, or leave one ring alone for a moment. */
export type Disturbance = 'stop' | { readonly ring: number };

type Table = typeof frontendRequests;
type PayloadOf<N extends keyof Table> = Table[N] extends Request<infer P, infer _R> ? P : never;
type Disturbances = {
  readonly [N in keyof Table]?: (host: VdpaHost, payload: PayloadOf<N>) => Disturbance | undefined;
};

/** A request that changes a ring that the device works on. */
const ofRing = (host: VdpaHost, index: number): 'stop' | undefined =>
  host.vrings[index]?.running ? 'stop' : undefined;

const disturbances: Disturbances = {
  SET_MEM_TABLE: () => 'stop',
  ADD_MEM_REG: () => 'stop',
  REM_MEM_REG: () => 'stop',
  RESET_OWNER: () => 'stop',
  RESET_DEVICE: () => 'stop',
  SET_STATUS: (_, status) => (status === 0 ? 'stop' : undefined),
  SET_FEATURES: (host, features) =>
    ((features ^ host.features) & ~VHOST_F_LOG_ALL) === 0n ? undefined : 'stop',
  SET_VRING_NUM: (host, { index, value }) =>
    host.vrings[index]?.size === value ? undefined : ofRing(host, index),
  SET_VRING_ADDR: (host, addresses) =>
    isSamePlace(host.vrings[addresses.index]?.addresses, addresses)
      ? undefined
      : ofRing(host, addresses.index),
  SET_VRING_BASE: (host, { index }) => ofRing(host, index),
  GET_VRING_BASE: (host, { index }) => ofRing(host, index),
  SET_VRING_KICK: (_, { index }) => ({ ring: index }),
  SET_VRING_CALL: (_, { index }) => ({ ring: index }),
};

/** What a request means for the device; undefined: nothing. @param payload of that request */
export function disturbanceOf(host: VdpaHost, name: string, payload: unknown): Disturbance | undefined {
  type Any = Readonly<
    Record<string, ((host: VdpaHost, payload: unknown) => Disturbance | undefined) | undefined>
  >;
  return (disturbances as Any)[name]?.(host, payload);
}

function isSamePlace(before: VringAddress | undefined, after: VringAddress): boolean {
  return (
    before !== undefined &&
    before.descriptors === after.descriptors &&
    before.driver === after.driver &&
    before.device === after.device
  );
}
