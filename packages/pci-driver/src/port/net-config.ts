import type { ConfigSpace } from '@vio/net';
import { configFields, configSpaceBytes, decodeConfigSpace } from '@vio/net/internal';
import type { VirtioPciDevice } from '../device/virtio-pci-device.ts';

/** Reads what a device says of itself, field by field, as its features say that they are there. */
export function readNetConfig(device: VirtioPciDevice, features: bigint): ConfigSpace {
  const fields = configFields(features);
  const view = new DataView(new ArrayBuffer(configSpaceBytes));
  for (const [i, value] of device.readConfig(fields).entries()) {
    const { at, width } = fields[i];
    if (width === 1) view.setUint8(at, value);
    else if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return decodeConfigSpace(new Uint8Array(view.buffer), features);
}
