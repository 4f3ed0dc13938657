import type { WaitOptions } from '@vio/native';
import { featureNames } from '@vio/net';
import { type VirtioDeviceInfo, describeDevice, openPciPort, parsePciDevargs } from '@vio/pci-driver';
import { type Finding, fromError, note, ok, problem } from './finding.ts';

/** Virtio's number of network cards. */
const networkCard = 1;

/** The device, who drives it, and whether a port starts on it. Each check goes on only where the one before found nothing wrong. */
export async function checkPciDevice(devargs: string, wait: WaitOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    const { address } = parsePciDevargs(devargs);
    const device = describeDevice(address);
    if (device?.type !== networkCard) {
      const remedy = 'give the address of another: vio devbind --status lists them';
      return [problem('device', `${address} is no virtio network card`, remedy)];
    }
    const kind = device.transitional ? 'with legacy registers' : 'modern';
    findings.push(ok('device', `${address} is a virtio network card, ${kind}`), checkDriver(device));
  } catch (error) {
    return [fromError('device', error)];
  }
  if (findings.some(({ status }) => status === 'problem')) return findings;
  return [...findings, ...(await checkPort(devargs, wait))];
}

function checkDriver({ address, driver, interfaces, inUse }: VirtioDeviceInfo): Finding {
  const bind = `vio devbind --bind vfio-pci ${address}`;
  if (driver === undefined) return note('driver', 'it has none: there are no interrupts', bind);
  if (driver !== 'virtio-pci') return ok('driver', `${driver} has it`);
  const names = interfaces.join(', ');
  return inUse
    ? problem('driver', `the kernel uses it as ${names}`, `take its addresses and routes away, then ${bind}`)
    : problem('driver', 'the kernel drives it', bind);
}

/** The whole of it: memory is pinned, queues run. */
async function checkPort(devargs: string, wait: WaitOptions): Promise<Finding[]> {
  try {
    await using port = await openPciPort(devargs, wait);
    return [
      ok('access', `${port.access}, ${port.modern ? 'modern' : 'legacy'} registers`),
      ok('interrupts', port.interruptMode),
      ok('features', featureNames(port.features).join(' ')),
      ok('start', `a port starts: ${port.paths.rx.path}, ${port.paths.tx.path}`),
    ];
  } catch (error) {
    return [fromError('start', error)];
  }
}
