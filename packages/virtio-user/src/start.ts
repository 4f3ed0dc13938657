import type { WaitOptions } from '@vio/native';
import { VioError } from '@vio/native';
import { type QueuePair, STATUS_AGREED, STATUS_FEATURES_OK, STATUS_KNOWN, STATUS_RUNNING } from '@vio/net';
import type { DriverQueue } from '@vio/rings';
import type { VhostTransport } from '@vio/vhost';
import type { InflightKeeper } from './inflight-keeper.ts';
import type { ControlRing } from './control/control-ring.ts';
import type { PortMemory } from './port-memory.ts';
import type { VringEvents } from './vrings.ts';

/** What starting and stopping a device needs, ring by ring: index 2n receives, 2n + 1 transmits. */
export interface StartPlan {
  readonly transport: VhostTransport;
  readonly features: bigint;
  readonly memory: PortMemory;
  readonly rings: readonly DriverQueue[];
  /** The queues over the rings; none when other threads have them. */
  readonly pairs: readonly QueuePair[];
  readonly events: VringEvents;
  /** Where the backend notes down what it has in flight; absent for rings that no other backend will serve. */
  readonly inflight?: InflightKeeper | undefined;
  /** What the backend is told in NET_SET_MTU; absent: nothing. */
  readonly mtu?: number | undefined;
  /** The control queue, if it is a ring of the backend's. */
  readonly control: ControlRing | null;
}

/**
 * Hands a port's rings to the backend, in the order DPDK's frontend does: call eventfds of every ring, features,
 * memory, then ring by ring number, base, addresses and kick; enabled at the end.
 */
export async function startDevice(plan: StartPlan, wait: WaitOptions): Promise<void> {
  const { transport, rings, events, memory } = plan;
  for (const [i, call] of events.call.entries()) await transport.setVringCall(i, call.fd, wait);
  if (transport.hasStatus) await transport.setStatus(STATUS_KNOWN, wait);
  await transport.setFeatures(plan.features, wait);
  if (transport.hasStatus) await confirmFeatures(transport, wait);
  if (plan.mtu !== undefined && transport.canSetMtu === true) await transport.setMtu?.(plan.mtu, wait);
  await plan.inflight?.hand(transport, rings, wait);
  await transport.setMemTable(memory.table, wait);
  for (const [i, ring] of rings.entries()) {
    await transport.setVringNum(i, ring.size, wait);
    await transport.setVringBase(i, ring.base(), wait);
    await transport.setVringAddr(i, ring.addresses, wait);
    await transport.setVringKick(i, events.kick[i].fd, wait);
  }
  if (plan.control !== null) await handControl(plan.control, transport, wait);
  for (const i of rings.keys()) await transport.setVringEnable(i, true, wait);
  if (plan.control !== null) await transport.setVringEnable(plan.control.index, true, wait);
  if (transport.hasStatus) await transport.setStatus(STATUS_RUNNING, wait);
}

/**
 * Takes the rings back: no packets first, then every ring is stopped, started or not. What the backend cannot or will
 * not do on the way down does not keep the rest from being done. Never throws.
 */
export async function stopDevice(plan: StartPlan, wait: WaitOptions): Promise<void> {
  const { transport } = plan;
  const rings = [...plan.rings.keys(), ...(plan.control === null ? [] : [plan.control.index])];
  const attempt = (request: () => Promise<unknown>): Promise<unknown> =>
    transport.down === null ? request().catch(() => {}) : Promise.resolve();
  for (const i of rings) await attempt(() => transport.setVringEnable(i, false, wait));
  for (const i of rings) await attempt(() => transport.getVringBase(i, wait));
  if (transport.hasStatus) await attempt(() => transport.setStatus(0, wait));
  else if (transport.canReset === true) await attempt(async () => transport.resetDevice?.(wait));
}

/** The control queue is polled: it has no call. */
async function handControl(
  { index, kick, queue }: ControlRing,
  transport: VhostTransport,
  wait: WaitOptions,
): Promise<void> {
  await transport.setVringNum(index, queue.ring.size, wait);
  await transport.setVringBase(index, queue.ring.base, wait);
  await transport.setVringAddr(index, queue.ring.addresses, wait);
  await transport.setVringKick(index, kick.fd, wait);
}

/** virtio 1.4, section 3.1.1: FEATURES_OK must still be set when it is read back. */
async function confirmFeatures(transport: VhostTransport, wait: WaitOptions): Promise<void> {
  await transport.setStatus(STATUS_AGREED, wait);
  if (((await transport.getStatus(wait)) & STATUS_FEATURES_OK) !== 0) return;
  throw new VioError('the backend refused the features it had offered (FEATURES_OK did not stay set)', {
    code: 'VIO_FEATURES_REFUSED',
    remedy:
      'switch off in_order, packed_vq or mrg_rxbuf, one after the other, and see which the backend cannot do',
  });
}
