import type { WaitOptions } from '@vio/native';
import type { NetControl } from '@vio/net';
import { mostVlanId } from '@vio/net/internal';

/**
 * Has a port receive VLANs, or no longer. A device has no command for all of them, so it is told each, as by testpmd; the first that it
 * refuses is the last.
 * @param named a number, or `all` @param received those that the port receives; follows what the device was told
 */
export async function changeVlans(
  control: Pick<NetControl, 'addVlan' | 'removeVlan'>,
  what: string,
  named: string,
  received: Set<number>,
  wait: WaitOptions,
): Promise<void> {
  const [first, last] = named === 'all' ? [0, mostVlanId] : [Number(named), Number(named)];
  for (let id = first; id <= last; id++) {
    if (what === 'add') {
      await control.addVlan(id, wait);
      received.add(id);
    } else {
      await control.removeVlan(id, wait);
      received.delete(id);
    }
  }
}
