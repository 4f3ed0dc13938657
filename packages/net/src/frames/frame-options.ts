import { VioError } from '@vio/native';
import { type FrameRules, checkMtu, maxMtu } from './frame-rules.ts';

/** What a port does to its frames besides moving them. */
export interface FrameOptions {
  /**
   * Largest payload of an Ethernet frame in bytes, 68 to 9710: larger frames are dropped and counted as oversize. Default:
   * what the device says its MTU is; no limit when it does not say.
   */
  readonly mtu?: number;
  /** VLAN tags (802.1Q) in software: stripped into `burst.vlan`, inserted from there. Default: frames stay as they are. */
  readonly vlan?: { readonly strip?: boolean; readonly insert?: boolean };
}

/**
 * @param deviceMtu as the device says; undefined: it does not
 * @throws VioError VIO_MTU when the MTU is out of range, or more than the device's
 */
export function frameRules({ mtu, vlan }: FrameOptions, deviceMtu: number | undefined): FrameRules {
  checkOwnMtu(mtu, deviceMtu);
  const limit = mtu ?? deviceMtu;
  return {
    ...(limit === undefined || limit > maxMtu ? {} : { mtu: limit }),
    vlanStrip: vlan?.strip ?? false,
    vlanInsert: vlan?.insert ?? false,
  };
}

/**
 * @param mtu that somebody asks for; undefined: nobody does
 * @param deviceMtu as the device says; undefined: it does not
 * @throws VioError VIO_MTU when it is out of range, or more than the device's
 */
export function checkOwnMtu(mtu: number | undefined, deviceMtu: number | undefined): void {
  checkMtu(mtu);
  if (mtu === undefined || deviceMtu === undefined || mtu <= deviceMtu) return;
  throw new VioError(`an MTU of ${mtu} bytes was asked for, the device's is ${deviceMtu}`, {
    code: 'VIO_MTU',
    remedy: `choose ${deviceMtu} or less, or configure a larger MTU at the device`,
  });
}
