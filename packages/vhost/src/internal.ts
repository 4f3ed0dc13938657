// What the other packages of vio use besides, and nobody else: it may change in every version.
export { BurstCopier } from './backend/packets/burst-copier.ts';
export { defaultProtocolFeatures, usableProtocolFeatures } from './frontend/index.ts';
export { deviceDumps, deviceRings, deviceSource } from './backend/telemetry/device-source.ts';
export { frontendFeatures, ownFeatures } from './backend/vdpa/virtio-features.ts';
export * as vduse from './backend/vduse/vduse-ioctls.ts';
export { cryptoSession, cryptoSessionReply } from './wire/crypto-session.ts';
