/**
 * Device feature bit by which a backend says that it negotiates protocol features. It is not a virtio feature:
 * the bit is reserved in virtio and only ever travels over vhost-user (vhost-user, "Communication").
 */
export const VHOST_USER_F_PROTOCOL_FEATURES = 1n << 30n;
/** Device feature bit: the backend marks what it writes in a dirty log (vhost-user, "Migration"). */
export const VHOST_F_LOG_ALL = 1n << 26n;

// What the conversation itself may use (vhost-user, "Protocol features").
/** The backend says how many queues it has (GET_QUEUE_NUM). */
export const VHOST_USER_PROTOCOL_F_MQ = 1n << 0n;
/** The log of written pages is shared memory. */
export const VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1n << 1n;
/** The frontend can ask for an announcement by RARP (SEND_RARP). */
export const VHOST_USER_PROTOCOL_F_RARP = 1n << 2n;
/** A request can ask for an acknowledgement. */
export const VHOST_USER_PROTOCOL_F_REPLY_ACK = 1n << 3n;
/** The frontend sets the MTU (NET_SET_MTU). */
export const VHOST_USER_PROTOCOL_F_NET_MTU = 1n << 4n;
/** The backend has a channel for requests of its own. */
export const VHOST_USER_PROTOCOL_F_BACKEND_REQ = 1n << 5n;
/** The frontend sets the byte order of rings. */
export const VHOST_USER_PROTOCOL_F_CROSS_ENDIAN = 1n << 6n;
/** There are sessions of a crypto device. */
export const VHOST_USER_PROTOCOL_F_CRYPTO_SESSION = 1n << 7n;
/** Pages are faulted in after migration (postcopy). */
export const VHOST_USER_PROTOCOL_F_PAGEFAULT = 1n << 8n;
/** The backend has the configuration space (GET_CONFIG, SET_CONFIG). */
export const VHOST_USER_PROTOCOL_F_CONFIG = 1n << 9n;
/** The backend's requests may carry descriptors. */
export const VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 1n << 10n;
/** The backend can hand out doorbells for queues. */
export const VHOST_USER_PROTOCOL_F_HOST_NOTIFIER = 1n << 11n;
/** Unfinished work is noted in memory that the frontend keeps. */
export const VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 1n << 12n;
/** The frontend resets the device (RESET_DEVICE). */
export const VHOST_USER_PROTOCOL_F_RESET_DEVICE = 1n << 13n;
/** Kicks and calls may be messages. */
export const VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 1n << 14n;
/** Memory regions are added and removed one by one. */
export const VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 1n << 15n;
/** The device status is read and written (GET_STATUS, SET_STATUS). */
export const VHOST_USER_PROTOCOL_F_STATUS = 1n << 16n;
/** Memory regions are mapped by Xen's grants. */
export const VHOST_USER_PROTOCOL_F_XEN_MMAP = 1n << 17n;
/** Objects are shared between backends. */
export const VHOST_USER_PROTOCOL_F_SHARED_OBJECT = 1n << 18n;
/** The backend's state can be moved to another. */
export const VHOST_USER_PROTOCOL_F_DEVICE_STATE = 1n << 19n;
/** GET_VRING_BASE does not wait for what is in flight. */
export const VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT = 1n << 20n;
/** Addresses of rings are guest addresses. */
export const VHOST_USER_PROTOCOL_F_GPA_ADDRESSES = 1n << 21n;
/** The backend has shared memory regions for the driver. */
export const VHOST_USER_PROTOCOL_F_SHMEM = 1n << 22n;

/** By bit number. */
const names = [
  'MQ',
  'LOG_SHMFD',
  'RARP',
  'REPLY_ACK',
  'NET_MTU',
  'BACKEND_REQ',
  'CROSS_ENDIAN',
  'CRYPTO_SESSION',
  'PAGEFAULT',
  'CONFIG',
  'BACKEND_SEND_FD',
  'HOST_NOTIFIER',
  'INFLIGHT_SHMFD',
  'RESET_DEVICE',
  'INBAND_NOTIFICATIONS',
  'CONFIGURE_MEM_SLOTS',
  'STATUS',
  'XEN_MMAP',
  'SHARED_OBJECT',
  'DEVICE_STATE',
  'GET_VRING_BASE_INFLIGHT',
  'GPA_ADDRESSES',
  'SHMEM',
];

/** The names of the protocol features in a mask, in the order of their bits; unknown ones as `BIT_n`. */
export function protocolFeatureNames(mask: bigint): string[] {
  const found: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((mask & (1n << BigInt(bit))) !== 0n) found.push(names[bit] ?? `BIT_${bit}`);
  }
  return found;
}
