import { readdirSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import type { WaitOptions } from '@vio/native';
import { featureNames } from '@vio/net';
import { networkCard } from '@vio/net/internal';
import { type VirtioDeviceInfo, describeDevice, openPciPort, parsePciDevargs } from '@vio/pci-driver';
import { deviceHolders } from './device-holders.ts';
import { type Finding, fromError, hasProblem, note, ok, problem } from './finding.ts';
import type { DoctorOptions } from './options.ts';

/** The device, who drives it, and whether a port starts on it. Each check goes on only where the one before found nothing wrong. */
export async function checkPciDevice(
  devargs: string,
  { connect }: DoctorOptions,
  wait: WaitOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    const { address } = parsePciDevargs(devargs);
    const device = describeDevice(address);
    if (device?.type !== networkCard) {
      const remedy = 'give the address of another: vio devbind --status lists them';
      return [problem('device', `${address} is no virtio network card`, remedy)];
    }
    const kind = device.transitional ? 'with legacy registers' : 'modern';
    findings.push(
      ok('device', `${address} is a virtio network card, ${kind}`),
      checkDriver(device),
      ...checkHolders(address),
    );
  } catch (error) {
    return [fromError('device', error)];
  }
  if (hasProblem(findings) || !connect) return findings;
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

/** Whoever drives the device from user space would lose it to a port: it is reset at the start. */
function checkHolders(address: string): Finding[] {
  const holders = deviceHolders(deviceFiles(`/sys/bus/pci/devices/${address}`));
  if (holders.length === 0) return [];
  const who = holders.map((pid) => `process ${pid}`).join(', ');
  return [problem('use', `${who} has it open: a port would take the device away`, 'end that first')];
}

function deviceFiles(device: string): string[] {
  const files: string[] = [];
  try {
    const group = basename(realpathSync(`${device}/iommu_group`));
    files.push(`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`);
  } catch {
    // Without an IOMMU group there is no file of VFIO.
  }
  try {
    files.push(...readdirSync(`${device}/uio`).map((name) => `/dev/${name}`));
  } catch {
    // No driver of UIO has it.
  }
  return files;
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
