/** Device-independent feature bits (virtio 1.4, section 6), as masks. */
export const VIRTIO_F_NOTIFY_ON_EMPTY = 1n << 24n;
/** Legacy: descriptors may be framed in any way. Implied by VERSION_1. */
export const VIRTIO_F_ANY_LAYOUT = 1n << 27n;
/** A descriptor may name a table of descriptors (2.7.5.3, 2.8.7). */
export const VIRTIO_F_INDIRECT_DESC = 1n << 28n;
/** Each side says which buffer it wants to be told of (2.7.10, 2.8.10). */
export const VIRTIO_F_EVENT_IDX = 1n << 29n;
/** The device is a modern one, not a legacy one. */
export const VIRTIO_F_VERSION_1 = 1n << 32n;
/** The device reaches memory by addresses that the platform translates (an IOMMU). */
export const VIRTIO_F_ACCESS_PLATFORM = 1n << 33n;
/** Rings are packed (2.8). */
export const VIRTIO_F_RING_PACKED = 1n << 34n;
/** The device uses buffers in the order in which they became available. */
export const VIRTIO_F_IN_ORDER = 1n << 35n;
/** Memory accesses have to be ordered as the platform demands it of devices. */
export const VIRTIO_F_ORDER_PLATFORM = 1n << 36n;
/** The device has virtual functions. */
export const VIRTIO_F_SR_IOV = 1n << 37n;
/** The driver says with each notification where the ring has got to (2.9). */
export const VIRTIO_F_NOTIFICATION_DATA = 1n << 38n;
/** The device names what the driver has to write to notify it. */
export const VIRTIO_F_NOTIF_CONFIG_DATA = 1n << 39n;
/** A single queue can be reset (2.6.1). */
export const VIRTIO_F_RING_RESET = 1n << 40n;

/** Names without prefix, by bit number. */
export const ringFeatureNames: Readonly<Record<number, string>> = {
  24: 'NOTIFY_ON_EMPTY',
  27: 'ANY_LAYOUT',
  28: 'INDIRECT_DESC',
  29: 'EVENT_IDX',
  32: 'VERSION_1',
  33: 'ACCESS_PLATFORM',
  34: 'RING_PACKED',
  35: 'IN_ORDER',
  36: 'ORDER_PLATFORM',
  37: 'SR_IOV',
  38: 'NOTIFICATION_DATA',
  39: 'NOTIF_CONFIG_DATA',
  40: 'RING_RESET',
};
