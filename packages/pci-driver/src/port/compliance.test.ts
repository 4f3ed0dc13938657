import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { describeDeviceCompliance, describePortCompliance } from '@vio/net/testing';
import {
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '@vio/rings';
import { describe, it } from 'vitest';
import { EchoCard } from '../test-support/echo-card.ts';
import type { FakeOptions } from '../test-support/fake-pci-device.ts';
import { dmaAddress } from '../test-support/fake-port.ts';
import { openPciPort } from './open-pci-port.ts';
import { PciNetDevice } from './pci-net-device.ts';

const runner = { describe, it };
const features =
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_RING_PACKED |
  VIRTIO_F_IN_ORDER |
  VIRTIO_F_EVENT_IDX |
  VIRTIO_NET_F_MRG_RXBUF |
  VIRTIO_NET_F_MAC;

const cards: [string, FakeOptions][] = [
  ['a modern card', { features }],
  ['a modern card that resets queues', { features: features | VIRTIO_F_RING_RESET }],
  ['a modern card that is notified with data', { features: features | VIRTIO_F_NOTIFICATION_DATA }],
  ['a modern card with one vector', { features, vectors: 1 }],
  ['a modern card with INTx', { features, vectors: 0 }],
  ['a legacy card', { legacy: true, features: VIRTIO_NET_F_MAC | VIRTIO_F_ANY_LAYOUT }],
  [
    'a legacy card whose rings differ in size',
    { legacy: true, features: VIRTIO_NET_F_MAC | VIRTIO_F_ANY_LAYOUT, queues: [256, 64] },
  ],
];

for (const [name, options] of cards) {
  describeDeviceCompliance(
    name,
    () => {
      const card = new EchoCard({ dmaAddress, ...options });
      return { device: new PciNetDevice(card), end: () => card.askForRemoval() };
    },
    runner,
  );
  describePortCompliance(
    `a port on ${name}`,
    async () => {
      const port = await openPciPort(new EchoCard({ dmaAddress, ...options }));
      return { port, close: () => port.close() };
    },
    runner,
  );
}
