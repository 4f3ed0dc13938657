import { VioError } from '@vio/native';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import { VIRTIO_NET_F_MAC, VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS } from '@vio/net';
import { isMac, isMulticast, maxMtu, minMtu } from '@vio/net/internal';

/** What a backend's devices say of themselves in their configuration space. What is left out they do not say. */
export interface NetConfig {
  /** As in `52:54:00:00:00:01`. */
  readonly mac?: string;
  /** Whether there is a link behind the device. May change while it runs. */
  readonly linkUp?: boolean;
  /** Bytes of the largest packet behind the Ethernet header, 68 to 9710. */
  readonly mtu?: number;
}

/** What a device offers so that drivers look at a field. */
export function configFeatures({ mac, linkUp, mtu }: NetConfig): bigint {
  return (
    (mac === undefined ? 0n : VIRTIO_NET_F_MAC) |
    (linkUp === undefined ? 0n : VIRTIO_NET_F_STATUS) |
    (mtu === undefined ? 0n : VIRTIO_NET_F_MTU)
  );
}

const fieldNames: OptionNames<NetConfig> = { mac: true, linkUp: true, mtu: true };

/** @throws VioError VIO_VHOST_NET_CONFIG, VIO_OPTION_UNKNOWN */
export function checkNetConfig(config: NetConfig): void {
  checkOptions('VhostDriver.setNetConfig', config, fieldNames);
  const { mac, mtu } = config;
  if (mac !== undefined && (!isMac(mac) || isMulticast(mac))) {
    throw wrong(`the address ${mac} is none a device can have`, 'give a unicast one, as 02:00:00:00:00:01');
  }
  if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= minMtu && mtu <= maxMtu)) {
    throw wrong(`an MTU of ${mtu} bytes is out of range`, `choose ${minMtu} to ${maxMtu}`);
  }
}

function wrong(message: string, remedy: string): VioError {
  return new VioError(message, { code: 'VIO_VHOST_NET_CONFIG', remedy });
}
