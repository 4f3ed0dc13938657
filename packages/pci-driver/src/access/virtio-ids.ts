const virtioVendor = 0x1af4;
const firstId = 0x1000;
/** From here on a device has modern registers only. */
export const firstModernId = 0x1040;
const lastId = 0x107f;
/** Device types of transitional ids (virtio 1.4, 4.1.2). */
const transitionalTypes: Readonly<Record<number, number>> = {
  0x1000: 1,
  0x1001: 2,
  0x1002: 5,
  0x1003: 3,
  0x1004: 8,
  0x1005: 4,
  0x1009: 9,
};

/** Virtio device type of an id, or undefined: any revision and any subsystem (virtio 1.4, 4.1.2.2). */
export function virtioType(vendorId: number, deviceId: number): number | undefined {
  if (vendorId !== virtioVendor || deviceId < firstId || deviceId > lastId) return undefined;
  if (deviceId >= firstModernId) return deviceId - firstModernId;
  return transitionalTypes[deviceId];
}
