import { iotlb } from './memory-payloads.ts';
import {
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_HOST_NOTIFIER,
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  VHOST_USER_PROTOCOL_F_SHARED_OBJECT,
  VHOST_USER_PROTOCOL_F_SHMEM,
} from './protocol-features.ts';
import { type Request, request } from './request.ts';
import { none, opaque } from './scalar-payloads.ts';
import { type VringArea, vringArea, vringState } from './vring-payloads.ts';

/**
 * Every request a backend may send, over the channel it is given with SET_BACKEND_REQ_FD (vhost-user, "Back-end
 * message types"). Their numbers are their own: they overlap those of the frontend's requests.
 */
export const backendRequests = {
  BACKEND_IOTLB_MSG: request('BACKEND_IOTLB_MSG', 1, iotlb),
  BACKEND_CONFIG_CHANGE_MSG: request('BACKEND_CONFIG_CHANGE_MSG', 2, none, {
    feature: VHOST_USER_PROTOCOL_F_CONFIG,
  }),
  BACKEND_VRING_HOST_NOTIFIER_MSG: request('BACKEND_VRING_HOST_NOTIFIER_MSG', 3, vringArea, {
    fds: [0, 1],
    fdsFor: ({ hasFd }: VringArea) => (hasFd ? 1 : 0),
    feature: VHOST_USER_PROTOCOL_F_HOST_NOTIFIER,
  }),
  BACKEND_VRING_CALL: request('BACKEND_VRING_CALL', 4, vringState(0, 0), {
    feature: VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  }),
  BACKEND_VRING_ERR: request('BACKEND_VRING_ERR', 5, vringState(0, 0), {
    feature: VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  }),
  BACKEND_SHARED_OBJECT_ADD: request('BACKEND_SHARED_OBJECT_ADD', 6, opaque(16, 16), {
    feature: VHOST_USER_PROTOCOL_F_SHARED_OBJECT,
  }),
  BACKEND_SHARED_OBJECT_REMOVE: request('BACKEND_SHARED_OBJECT_REMOVE', 7, opaque(16, 16), {
    feature: VHOST_USER_PROTOCOL_F_SHARED_OBJECT,
  }),
  BACKEND_SHARED_OBJECT_LOOKUP: request('BACKEND_SHARED_OBJECT_LOOKUP', 8, opaque(16, 16), {
    reply: opaque(0, 16),
    replyFds: [0, 1],
    feature: VHOST_USER_PROTOCOL_F_SHARED_OBJECT,
  }),
  BACKEND_SHMEM_MAP: request('BACKEND_SHMEM_MAP', 9, opaque(40, 40), {
    fds: [1, 1],
    feature: VHOST_USER_PROTOCOL_F_SHMEM,
  }),
  BACKEND_SHMEM_UNMAP: request('BACKEND_SHMEM_UNMAP', 10, opaque(40, 40), {
    feature: VHOST_USER_PROTOCOL_F_SHMEM,
  }),
} as const;

const byId = new Map<number, Request<unknown, unknown>>(
  Object.values<Request<unknown, unknown>>(backendRequests).map((row) => [row.id, row]),
);

/** The row of a backend's request by its number on the wire; undefined: there is no such request. */
export function backendRequest(id: number): Request<unknown, unknown> | undefined {
  return byId.get(id);
}
