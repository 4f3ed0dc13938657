/** No VLAN: frames without a tag are not for this port. */
export const noVlan = -1;
/** VLANs have numbers up to 4094; 0 is what frames without a tag belong to where nobody says otherwise. */
export const mostVlan = 4094;

/** What a port has to do with a VLAN. */
export const vlanNone = 0;
/** Its frames leave the port without a tag. */
export const vlanUntagged = 1;
/** Its frames leave the port with a tag. */
export const vlanTagged = 2;

/** How a port takes part in VLANs. */
export type VlanMode =
  /** Frames come and go without tags, and are in one VLAN. */
  | { readonly access: number }
  /** Tagged frames of these VLANs, and frames without a tag in the native one, if there is one. */
  | { readonly trunk: readonly number[] | 'all'; readonly native?: number | undefined };

/** A VLAN mode as the forwarding loop uses it. */
export interface VlanRules {
  /** The VLAN of frames that come without a tag, or `noVlan`. */
  readonly native: number;
  /** Whether frames may come with a tag. */
  readonly tags: boolean;
  /** By VLAN: what the port has to do with it. */
  readonly member: Uint8Array;
}

const everything: VlanRules = trunkRules('all', 0);

/** @param mode undefined: a trunk of all VLANs, on which frames without a tag are a VLAN of their own (as in Open vSwitch) */
export function vlanRules(mode?: VlanMode): VlanRules {
  if (mode === undefined) return everything;
  if ('access' in mode) {
    const member = new Uint8Array(mostVlan + 1);
    member[mode.access] = vlanUntagged;
    return { native: mode.access, tags: false, member };
  }
  return trunkRules(mode.trunk, mode.native ?? noVlan);
}

function trunkRules(vlans: readonly number[] | 'all', native: number): VlanRules {
  const member = new Uint8Array(mostVlan + 1);
  if (vlans === 'all') member.fill(vlanTagged, 1);
  else for (const vlan of vlans) member[vlan] = vlanTagged;
  if (native !== noVlan) member[native] = vlanUntagged;
  return { native, tags: true, member };
}
