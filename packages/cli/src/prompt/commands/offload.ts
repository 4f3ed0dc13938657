import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4 } from '@vio/net';
import type { ChecksumWork } from '../../forward/lane.ts';
import type { PortSlot } from '../../ports/port-slot.ts';
import type { PromptCommand } from '../command.ts';
import { CommandFailure, type PromptSession } from '../session.ts';

/** Checksums and segmentation of the mode csum. */
export const offloadCommands: readonly PromptCommand[] = [
  {
    section: 'config',
    syntax: 'csum set ip|udp|tcp hw|sw <port>',
    help: 'Who makes a checksum in the mode csum, of a stopped port: its device (hw), or this program (sw).',
    run(session, args) {
      const slot = stopped(session, args.number(2));
      const layer = args.text(0);
      const who = args.text(1) === 'hw' ? 'hw' : 'sw';
      if (layer === 'ip') {
        if (who === 'hw')
          throw new CommandFailure(`IP checksum offload is not supported by port ${slot.number}`);
      } else change(session, slot, layer === 'udp' ? { udp: who } : { tcp: who });
      session.say(checksumText(session, slot));
    },
  },
  {
    section: 'config',
    syntax: 'csum show <port>',
    help: 'Who makes the checksums.',
    run: (session, args) => session.say(checksumText(session, session.slot(args.number(0)))),
  },
  {
    section: 'config',
    syntax: 'tso set <bytes> <port>',
    help: 'Bytes of TCP data in a packet, beyond which the device of a stopped port cuts it in the mode csum; 0: it does not.',
    run(session, args) {
      const slot = stopped(session, args.number(1));
      const segmentBytes = args.number(0);
      change(session, slot, segmentBytes === 0 ? { segmentBytes } : { segmentBytes, tcp: 'hw' });
      session.say(segmentText(session, slot));
    },
  },
  {
    section: 'config',
    syntax: 'tso show <port>',
    help: 'The size of TCP segments.',
    run: (session, args) => session.say(segmentText(session, session.slot(args.number(0)))),
  },
];

function stopped(session: PromptSession, number: number): PortSlot {
  const slot = session.slot(number);
  session.whileStopped(slot);
  return slot;
}

/** Has the port opened with what that takes, when it is started. */
function change(session: PromptSession, slot: PortSlot, changes: Partial<ChecksumWork>): void {
  const settings = session.settings(slot);
  settings.checksums = { ...settings.checksums, ...changes };
  const { udp, tcp, segmentBytes } = settings.checksums;
  const has = (bit: bigint): boolean => ((slot.port?.features ?? 0n) & bit) !== 0n;
  const txChecksum = udp === 'hw' || tcp === 'hw';
  const tso = segmentBytes > 0;
  if (txChecksum === has(VIRTIO_NET_F_CSUM) && tso === has(VIRTIO_NET_F_HOST_TSO4)) return;
  slot.configure({ offloads: { txChecksum, tso } });
}

function checksumText(session: PromptSession, slot: PortSlot): string {
  const { udp, tcp } = session.settings(slot).checksums;
  return [
    'IP checksum offload is sw',
    `UDP checksum offload is ${udp}`,
    `TCP checksum offload is ${tcp}`,
  ].join('\n');
}

function segmentText(session: PromptSession, slot: PortSlot): string {
  const { segmentBytes } = session.settings(slot).checksums;
  return segmentBytes === 0
    ? 'TSO for non-tunneled packets is disabled'
    : `TSO segment size for non-tunneled packets is ${segmentBytes}`;
}
