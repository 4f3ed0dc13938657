import { configPart, configReply } from './config-payload.ts';
import { inflight, iotlb, logArea, memoryRegion, memoryTable } from './memory-payloads.ts';
import {
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_CROSS_ENDIAN,
  VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  VHOST_USER_PROTOCOL_F_DEVICE_STATE,
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_PAGEFAULT,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_SHARED_OBJECT,
  VHOST_USER_PROTOCOL_F_SHMEM,
  VHOST_USER_PROTOCOL_F_STATUS,
} from './protocol-features.ts';
import { type Request, query, request } from './request.ts';
import { none, opaque, u64, wideNumber } from './scalar-payloads.ts';
import { type VringFd, maxVringSize, vringAddress, vringFd, vringState } from './vring-payloads.ts';

const any32 = 0xffff_ffff;
const deviceStatus = wideNumber(0, 255);
const count = wideNumber(1, any32);

/** The descriptor of a vring comes along unless bit 8 says that there is none. */
const vringFdColumns = { fds: [0, 1] as const, fdsFor: ({ hasFd }: VringFd) => (hasFd ? 1 : 0) };

/**
 * Every request a frontend may send (vhost-user, "Front-end message types"). A row says what the payload is, how
 * many descriptors come along, what is answered, and which protocol feature it takes.
 *
 * IOTLB_MSG has no answer of its own here: in practice it is sent with need_reply.
 */
export const frontendRequests = {
  GET_FEATURES: query('GET_FEATURES', 1, u64),
  SET_FEATURES: request('SET_FEATURES', 2, u64),
  SET_OWNER: request('SET_OWNER', 3, none),
  RESET_OWNER: request('RESET_OWNER', 4, none),
  SET_MEM_TABLE: request('SET_MEM_TABLE', 5, memoryTable, {
    fds: [1, 8],
    fdsFor: (regions) => regions.length,
  }),
  SET_LOG_BASE: request('SET_LOG_BASE', 6, logArea, {
    fds: [1, 1],
    reply: opaque(0, 16),
    feature: VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  }),
  SET_LOG_FD: request('SET_LOG_FD', 7, opaque(0, 8), { fds: [1, 1] }),
  SET_VRING_NUM: request('SET_VRING_NUM', 8, vringState(1, maxVringSize)),
  SET_VRING_ADDR: request('SET_VRING_ADDR', 9, vringAddress),
  SET_VRING_BASE: request('SET_VRING_BASE', 10, vringState(0, any32)),
  GET_VRING_BASE: request('GET_VRING_BASE', 11, vringState(0, any32), { reply: vringState(0, any32) }),
  SET_VRING_KICK: request('SET_VRING_KICK', 12, vringFd, vringFdColumns),
  SET_VRING_CALL: request('SET_VRING_CALL', 13, vringFd, vringFdColumns),
  SET_VRING_ERR: request('SET_VRING_ERR', 14, vringFd, vringFdColumns),
  GET_PROTOCOL_FEATURES: query('GET_PROTOCOL_FEATURES', 15, u64),
  SET_PROTOCOL_FEATURES: request('SET_PROTOCOL_FEATURES', 16, u64),
  GET_QUEUE_NUM: query('GET_QUEUE_NUM', 17, count, { feature: VHOST_USER_PROTOCOL_F_MQ }),
  SET_VRING_ENABLE: request('SET_VRING_ENABLE', 18, vringState(0, 1)),
  SEND_RARP: request('SEND_RARP', 19, u64, { feature: VHOST_USER_PROTOCOL_F_RARP }),
  NET_SET_MTU: request('NET_SET_MTU', 20, wideNumber(68, 65535), { feature: VHOST_USER_PROTOCOL_F_NET_MTU }),
  SET_BACKEND_REQ_FD: request('SET_BACKEND_REQ_FD', 21, none, {
    fds: [1, 1],
    feature: VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  }),
  IOTLB_MSG: request('IOTLB_MSG', 22, iotlb),
  SET_VRING_ENDIAN: request('SET_VRING_ENDIAN', 23, vringState(0, 1), {
    feature: VHOST_USER_PROTOCOL_F_CROSS_ENDIAN,
  }),
  GET_CONFIG: request('GET_CONFIG', 24, configPart, {
    reply: configReply,
    feature: VHOST_USER_PROTOCOL_F_CONFIG,
  }),
  SET_CONFIG: request('SET_CONFIG', 25, configPart, { feature: VHOST_USER_PROTOCOL_F_CONFIG }),
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
  GET_INFLIGHT_FD: request('GET_INFLIGHT_FD', 31, inflight, {
    reply: inflight,
    replyFds: [1, 1],
    feature: VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  }),
  SET_INFLIGHT_FD: request('SET_INFLIGHT_FD', 32, inflight, {
    fds: [1, 1],
    feature: VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  }),
  GPU_SET_SOCKET: request('GPU_SET_SOCKET', 33, none, { fds: [1, 1] }),
  RESET_DEVICE: request('RESET_DEVICE', 34, none, { feature: VHOST_USER_PROTOCOL_F_RESET_DEVICE }),
  VRING_KICK: request('VRING_KICK', 35, vringState(0, 0), {
    feature: VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  }),
  GET_MAX_MEM_SLOTS: query('GET_MAX_MEM_SLOTS', 36, count, {
    feature: VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  }),
  ADD_MEM_REG: request('ADD_MEM_REG', 37, memoryRegion, {
    fds: [1, 1],
    feature: VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  }),
  /** No descriptor should come along; some senders attach one, which the receiver closes. */
  REM_MEM_REG: request('REM_MEM_REG', 38, memoryRegion, {
    fds: [0, 1],
    feature: VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  }),
  SET_STATUS: request('SET_STATUS', 39, deviceStatus, { feature: VHOST_USER_PROTOCOL_F_STATUS }),
  GET_STATUS: query('GET_STATUS', 40, deviceStatus, { feature: VHOST_USER_PROTOCOL_F_STATUS }),
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
