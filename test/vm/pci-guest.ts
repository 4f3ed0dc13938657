// A guest with network cards in pairs, and steps that it runs on them.
import type { Steps } from './guest/pci.ts';
import { type GuestOptions, runInGuest } from './guest.ts';

/** A card that a step drives, and what QEMU makes of it; the kernel has one of its own at the other end of the wire. */
export interface Card {
  readonly address: string;
  /** Its name for QEMU, as in `set_link card08 off`. */
  readonly name: string;
  readonly mac: string;
  readonly qemu: readonly string[];
}

/** @param slot 8 to 15 @param properties as in `disable-legacy=on,packed=on` */
export function card(slot: number, properties: string): Card {
  const hex = (n: number): string => n.toString(16).padStart(2, '0');
  const name = `card${hex(slot)}`;
  const mac = `52:54:00:00:00:${hex(slot)}`;
  const hub = `hubid=${slot}`;
  return {
    address: `0000:00:${hex(slot)}.0`,
    name,
    mac,
    qemu: [
      ['-netdev', `hubport,${hub},id=near${slot}`, '-netdev', `hubport,${hub},id=far${slot}`],
      [
        '-device',
        `virtio-net-pci,id=${name},netdev=near${slot},addr=${hex(slot)}.0,mac=${mac},${properties}`,
      ],
      ['-device', `virtio-net-pci,netdev=far${slot},addr=${hex(slot + 8)}.0,mac=52:54:00:00:01:${hex(slot)}`],
    ].flat(),
  };
}

/** Bytes of a transfer over TCP. */
export const transferred = 1 << 19;

/** TCP went through both cards and came back, and every byte with it. @param access of both cards */
export const carriedTcp = (access: string): object => ({
  sent: transferred,
  received: transferred,
  same: true,
  access: [access, access],
  givenBack: true,
});

/** Cards on taps of this machine, two and two joined by a bridge: unlike hubs, taps have offloads and several queues. */
export interface TapCards {
  readonly cards: readonly Card[];
  /** Makes the taps and bridges, in a network namespace that goes with the guest. */
  readonly network: string;
}

/** @param properties of our cards by slot @param queues of each tap of ours */
export function tapCards(properties: Readonly<Record<number, string>>, queues: number): TapCards {
  const slots = Object.entries(properties).map(([slot, each]) => [Number(slot), each] as const);
  const tap = (slot: number, end: string, many: string): string =>
    `ip tuntap add dev ${end}${slot} mode tap vnet_hdr ${many}; ip link set ${end}${slot} master br${slot} mtu 9000 up`;
  return {
    network: [
      'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6',
      ...slots.map(
        ([slot]) =>
          `ip link add br${slot} type bridge; ip link set br${slot} up; ${tap(slot, 'near', 'multi_queue')}; ${tap(slot, 'far', '')}`,
      ),
    ].join('\n'),
    cards: slots.map(([slot, each]) => {
      const plain = card(slot, `mq=on,vectors=${2 * queues + 2},${each}`);
      const scripts = 'script=no,downscript=no,vhost=off';
      return {
        ...plain,
        qemu: [
          ['-netdev', `tap,id=near${slot},ifname=near${slot},queues=${queues},${scripts}`],
          ['-netdev', `tap,id=far${slot},ifname=far${slot},${scripts}`],
          plain.qemu.slice(4),
        ].flat(),
      };
    }),
  };
}

/** A card that can be pulled out: it sits in a slot of its own. The guest finds it at 0000:01:00.0. */
export const pluggedCard: Card = {
  address: '0000:01:00.0',
  name: 'plugged',
  mac: '52:54:00:00:00:99',
  qemu: [
    ['-device', 'pcie-root-port,id=socket,chassis=1,addr=07.0'],
    ['-netdev', 'hubport,hubid=99,id=near99', '-netdev', 'hubport,hubid=99,id=far99'],
    ['-device', 'virtio-net-pci,id=plugged,netdev=near99,bus=socket,mac=52:54:00:00:00:99'],
    ['-device', 'virtio-net-pci,netdev=far99,addr=17.0'],
  ].flat(),
};

export type Reports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Boots once, runs the steps one after the other, and brings back their reports by name. */
export async function runSteps(
  steps: Steps,
  cards: readonly Card[],
  options: GuestOptions,
): Promise<Reports> {
  const guest = await runInGuest('pci', {
    ...options,
    arguments: [JSON.stringify(steps)],
    monitor: true,
    timeout: 420_000,
    qemu: [...(options.qemu ?? []), ...cards.flatMap(({ qemu }) => qemu)],
  });
  if (guest.exitCode !== 0) throw new Error(`the guest failed:\n${guest.stderr}\n${guest.console}`);
  return JSON.parse(guest.stdout) as Reports;
}
