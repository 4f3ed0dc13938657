// The tap of a vhost-net backend: made or taken over, and what it does with frames.
import { VioError, closeFd, dupFd } from '@vio/native';
import {
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
} from '@vio/net';
import { Tap } from '../tap/tap.ts';
import {
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_TSO_ECN,
  TUN_F_USO4,
  TUN_F_USO6,
} from '../tap/tun-ioctls.ts';

/** The tap of a port. */
export interface PortTapOptions {
  /** Name of the tap; `%d` lets the kernel find a number. Default `tap%d`, as in DPDK. */
  readonly iface?: string | undefined;
  /** Queue pairs, 1 to 128. */
  readonly queues: number;
  /** Address of the tap; undefined: the kernel's choice. */
  readonly mac?: string | undefined;
  /** Path of the network namespace the tap belongs to, as `/run/netns/blue`; undefined: this process's. */
  readonly netns?: string | undefined;
}

/** As long as the kernel lets frames wait in a tap, it need not drop them. */
const unlimited = 0x7fff_ffff;

export function openTap({ iface, mac, netns, queues }: PortTapOptions): Tap {
  return Tap.open({
    ...(iface === undefined ? {} : { name: iface }),
    ...(mac === undefined ? {} : { mac }),
    ...(netns === undefined ? {} : { netns }),
    queues,
    virtioHeader: 12,
    offloads: 0,
    sendBuffer: unlimited,
  });
}

/** A tap on duplicates of the descriptors. @throws VioError VIO_TAP_MISMATCH when its frames have no header */
export function adoptTap(given: readonly number[], mac: string | undefined): Tap {
  const tap = adoptDuplicates(given);
  try {
    if (!tap.virtioHeader) throw noHeader(tap.name);
    tap.setSendBuffer(unlimited);
    if (mac !== undefined && mac !== tap.mac) tap.mac = mac;
    return tap;
  } catch (error) {
    tap.close();
    throw error;
  }
}

function adoptDuplicates(given: readonly number[]): Tap {
  const fds: number[] = [];
  try {
    for (const fd of given) fds.push(dupFd(fd));
    return Tap.adopt(fds);
  } catch (error) {
    for (const fd of fds) closeFd(fd);
    throw error;
  }
}

/** What the kernel may leave to the driver, as the tap calls it. */
export function tapOffloads(features: bigint): number {
  const has = (bit: bigint, flag: number): number => ((features & bit) === 0n ? 0 : flag);
  return (
    has(VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM) |
    has(VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4) |
    has(VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6) |
    has(VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN) |
    has(VIRTIO_NET_F_GUEST_USO4, TUN_F_USO4) |
    has(VIRTIO_NET_F_GUEST_USO6, TUN_F_USO6)
  );
}

/** The kernel says what it knows of UDP segmentation only when it is asked for it. */
export function takesUso(tap: Tap): boolean {
  try {
    tap.setOffloads(TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6);
    return true;
  } catch {
    return false; // VIO_TAP_OFFLOAD
  } finally {
    tap.setOffloads(0);
  }
}

function noHeader(name: string): VioError {
  return new VioError(`frames of the tap ${name} have no virtio-net header`, {
    code: 'VIO_TAP_MISMATCH',
    remedy: 'open it with IFF_VNET_HDR (ip tuntap add mode tap vnet_hdr)',
  });
}
