/** Device status bits (virtio 1.4, section 2.1). */
export const STATUS_ACKNOWLEDGE = 1;
/** The driver knows how to drive the device. */
export const STATUS_DRIVER = 2;
/** The driver is ready: the device runs. */
export const STATUS_DRIVER_OK = 4;
/** The features are agreed on. */
export const STATUS_FEATURES_OK = 8;
/** The device has met an error that only a reset mends. */
export const STATUS_NEEDS_RESET = 0x40;
/** The driver has given the device up. */
export const STATUS_FAILED = 0x80;

/** The driver knows the device, and how to drive it. */
export const STATUS_KNOWN = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
/** Features are agreed on. */
export const STATUS_AGREED = STATUS_KNOWN | STATUS_FEATURES_OK;
/** The device runs. */
export const STATUS_RUNNING = STATUS_AGREED | STATUS_DRIVER_OK;
