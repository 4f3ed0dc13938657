// What the other packages of vio use besides, and nobody else: it may change in every version.
export { type InterfaceState, KernelInterface } from './interface/kernel-interface.ts';
export { type VhostVdpaOptions, VhostVdpaTransport } from './vdpa/vhost-vdpa-transport.ts';
export { type VhostNetOptions, VhostNetTransport } from './vhost-net/vhost-net-transport.ts';
