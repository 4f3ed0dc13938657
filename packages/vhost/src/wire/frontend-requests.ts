import { iotlb } from './memory-payloads.ts';
import {
  VHOST_USER_PROTOCOL_F_CROSS_ENDIAN,
  VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  VHOST_USER_PROTOCOL_F_DEVICE_STATE,
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  VHOST_USER_PROTOCOL_F_PAGEFAULT,
  VHOST_USER_PROTOCOL_F_SHARED_OBJECT,
  VHOST_USER_PROTOCOL_F_SHMEM,
} from './protocol-features.ts';
import { type Request, query, request } from './request.ts';
import { none, opaque, u64 } from './scalar-payloads.ts';
import { sentRequests } from './sent-requests.ts';
import { vringState } from './vring-payloads.ts';

/**
 * Every request a frontend may send (vhost-user, "Front-end message types"). A row says what the payload is, how
 * many descriptors come along, what is answered, and which protocol feature it takes.
 *
 * IOTLB_MSG has no answer of its own here: in practice it is sent with need_reply.
 */
export const frontendRequests = {
  ...sentRequests,
  IOTLB_MSG: request('IOTLB_MSG', 22, iotlb),
  SET_VRING_ENDIAN: request('SET_VRING_ENDIAN', 23, vringState(0, 1), {
    feature: VHOST_USER_PROTOCOL_F_CROSS_ENDIAN,
  }),
  CREATE_CRYPTO_SESSION: request('CREATE_CRYPTO_SESSION', 26, opaque(1, 2048), {
    reply: opaque(1, 2048),
    feature: VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  }),
  CLOSE_CRYPTO_SESSION: request('CLOSE_CRYPTO_SESSION', 27, u64, {
    feature: VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  }),
  POSTCOPY_ADVISE: query('POSTCOPY_ADVISE', 28, none, {
    replyFds: [1, 1],
    feature: VHOST_USER_PROTOCOL_F_PAGEFAULT,
  }),
  POSTCOPY_LISTEN: request('POSTCOPY_LISTEN', 29, none, { feature: VHOST_USER_PROTOCOL_F_PAGEFAULT }),
  POSTCOPY_END: query('POSTCOPY_END', 30, u64, { feature: VHOST_USER_PROTOCOL_F_PAGEFAULT }),
  GPU_SET_SOCKET: request('GPU_SET_SOCKET', 33, none, { fds: [1, 1] }),
  VRING_KICK: request('VRING_KICK', 35, vringState(0, 0), {
    feature: VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  }),
  GET_SHARED_OBJECT: request('GET_SHARED_OBJECT', 41, opaque(16, 16), {
    reply: opaque(0, 16),
    replyFds: [0, 1],
    feature: VHOST_USER_PROTOCOL_F_SHARED_OBJECT,
  }),
  SET_DEVICE_STATE_FD: request('SET_DEVICE_STATE_FD', 42, opaque(8, 8), {
    fds: [1, 1],
    reply: u64,
    replyFds: [0, 1],
    feature: VHOST_USER_PROTOCOL_F_DEVICE_STATE,
  }),
  CHECK_DEVICE_STATE: query('CHECK_DEVICE_STATE', 43, u64, { feature: VHOST_USER_PROTOCOL_F_DEVICE_STATE }),
  GET_SHMEM_CONFIG: query('GET_SHMEM_CONFIG', 44, opaque(8, 2056), { feature: VHOST_USER_PROTOCOL_F_SHMEM }),
} as const;

const byId = new Map<number, Request<unknown, unknown>>(
  Object.values<Request<unknown, unknown>>(frontendRequests).map((row) => [row.id, row]),
);

/** The row of a request by its number on the wire; undefined: vhost-user has no such request. */
export function frontendRequest(id: number): Request<unknown, unknown> | undefined {
  return byId.get(id);
}
