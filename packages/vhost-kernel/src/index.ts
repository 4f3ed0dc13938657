// What applications use. What only the other packages of vio need is in internal.ts.
export type { TapOptions } from './tap/tap-options.ts';
export { Tap } from './tap/tap.ts';
export {
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_TSO_ECN,
  TUN_F_UFO,
  TUN_F_USO4,
  TUN_F_USO6,
} from './tap/tun-ioctls.ts';
export { VhostVdpaDevice, type VhostVdpaDeviceOptions } from './vdpa/vhost-vdpa-device.ts';
