import { type VioError } from '@vio/native';
import type { DevicePort } from '@vio/net';
import type { Output } from '../../output.ts';
import type { PortSlot, SlotOptions } from '../../ports/port-slot.ts';
import { userDevices } from '../../ports/pci-devices.ts';
import { portReport } from '../../report/port-report.ts';
import { recordRing } from '../../report/ring-record.ts';
import type { RunOptions } from './options.ts';
import { type PortLabel, tellOfLink } from './tell-of-link.ts';

/** The devargs of all ports that were asked for. @throws VioError VIO_CLI_NO_DEVICE */
export async function allDevargs(named: readonly string[], { pci }: RunOptions): Promise<readonly string[]> {
  return pci === true ? [...named, ...(await userDevices())] : named;
}

/** How the ports of `vio run` are opened. */
export function slotOptions(options: RunOptions, onWaiting: (reason: VioError) => void): SlotOptions {
  const { timeout, reconnect, wait, rxq, txq, rxd, txd, nbCores } = options;
  const { huge, txqflags, enableRxCksum, enableLro, enableHwVlanStrip, maxPktLen } = options;
  const offloads = {
    ...(enableRxCksum === true ? { rxChecksum: true } : {}),
    ...(enableLro === true ? { lro: true } : {}),
  };
  return {
    timeout,
    ...(reconnect === true ? { reconnect } : {}),
    ...(txqflags === undefined ? {} : { txqFlags: txqflags }),
    ...(enableHwVlanStrip === true ? { vlan: { strip: true } } : {}),
    ...(maxPktLen === undefined ? {} : { mtu: maxPktLen - frameOverhead }),
    ...(huge ? {} : { memory: { hugepages: 'none' } }),
    offloads,
    pairs: most(rxq, txq),
    rxQueueSize: rxd,
    txQueueSize: txd,
    detached: nbCores > 1,
    wait: wait === true,
    onWaiting,
  };
}

/** Bytes of a frame besides its MTU: the Ethernet header, and the CRC that testpmd counts. */
const frameOverhead = 18;

/** Queues of virtio come in pairs. */
function most(rx: number | undefined, tx: number | undefined): number | undefined {
  return rx === undefined && tx === undefined ? undefined : Math.max(rx ?? 1, tx ?? 1);
}

/** Says what a port is, and what becomes of it. @returns a signal that aborts when it is of no use any more */
export function tellOfPort(
  slot: PortSlot,
  port: DevicePort,
  label: PortLabel,
  { verbose, reconnect }: RunOptions,
  output: Output,
): AbortSignal {
  const report = portReport(port, verbose === true);
  const title = label.text === '' ? '' : `port ${slot.number} (${slot.name}, ${port.mac})\n`;
  output.record('port', { ...label.data, ...report.data }, title + report.text);
  port.on('broken', ({ direction, queue, fault }) => {
    const text = `${label.text}${direction} queue ${queue} is broken: ${fault.detail} (${fault.code})`;
    output.record('broken', { ...label.data, direction, queue, fault }, text);
    const name = `${direction === 'rx' ? 'receive' : 'transmit'}q${queue}`;
    for (const dump of port.dumpRings()) if (dump.name === name) recordRing(output, dump);
  });
  port.on('warning', ({ code, message }) => {
    output.record('warning', { ...label.data, code, message }, `${label.text}${message} (${code})`);
  });
  return tellOfLink(port, output, reconnect === true || slot.server, label);
}
