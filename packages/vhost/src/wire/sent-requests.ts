import { configPart, configReply } from './config-payload.ts';
import { inflight, logArea, memoryRegion, memoryTable } from './memory-payloads.ts';
import {
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
} from './protocol-features.ts';
import { query, request } from './request.ts';
import { none, opaque, u64, wideNumber } from './scalar-payloads.ts';
import { type VringFd, maxVringSize, vringAddress, vringFd, vringState } from './vring-payloads.ts';

const any32 = 0xffff_ffff;
const deviceStatus = wideNumber(0, 255);
const count = wideNumber(1, any32);

/** The descriptor of a vring comes along unless bit 8 says that there is none. */
const vringFdColumns = { fds: [0, 1] as const, fdsFor: ({ hasFd }: VringFd) => (hasFd ? 1 : 0) };

/** The rows of `frontendRequests` that a frontend of ours sends: a port that starts has no use for the others, and does not make them. */
export const sentRequests = {
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
  GET_CONFIG: request('GET_CONFIG', 24, configPart, {
    reply: configReply,
    feature: VHOST_USER_PROTOCOL_F_CONFIG,
  }),
  SET_CONFIG: request('SET_CONFIG', 25, configPart, { feature: VHOST_USER_PROTOCOL_F_CONFIG }),
  GET_INFLIGHT_FD: request('GET_INFLIGHT_FD', 31, inflight, {
    reply: inflight,
    replyFds: [1, 1],
    feature: VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  }),
  SET_INFLIGHT_FD: request('SET_INFLIGHT_FD', 32, inflight, {
    fds: [1, 1],
    feature: VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  }),
  RESET_DEVICE: request('RESET_DEVICE', 34, none, { feature: VHOST_USER_PROTOCOL_F_RESET_DEVICE }),
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
} as const;
