import { macFromBytes } from '@vio/net/internal';
import { peerAddress } from '../../forward/lane.ts';
import type { PromptSession } from '../session.ts';

/** Who forwards what, as `start` and `show config fwd` show it. */
export function forwardConfigText(session: PromptSession): string {
  const { mode, slots, datapath } = session;
  const { streams, threads } = datapath;
  const place = ({ port, queue }: { readonly port: number; readonly queue: number }): string =>
    `P=${port}/Q=${queue}`;
  const used = [...new Set(streams.map(({ thread }) => thread))];
  return [
    `${mode} packet forwarding${session.retrying ? ' with retry' : ''} - ports=${slots.length} - cores=${threads} - streams=${streams.length}`,
    ...used.flatMap((thread) => {
      const own = streams.filter((stream) => stream.thread === thread);
      return [
        `Logical Core ${thread} forwards packets on ${own.length} streams:`,
        ...own.map(
          ({ from, to }) => `  RX ${place(from)} -> TX ${place(to)} peer=${peerText(session, to.port)}`,
        ),
      ];
    }),
  ].join('\n');
}

/** Bursts, queues and rings, as `start` and `show config rxtx` show them. */
export function rxtxConfigText({ mode, burst, slots, datapath, retrying, retry }: PromptSession): string {
  return [
    `  ${mode} packet forwarding packets/burst=${burst}`,
    ...(retrying ? [`  TX retry num: ${retry.times}, delay between TX retries: ${retry.delay}us`] : []),
    `  nb forwarding cores=${datapath.threads} - nb forwarding ports=${slots.length}`,
    ...slots.flatMap(({ number, port }) => {
      if (port === undefined) return [];
      const queues = port.control.maxPairs;
      return [
        `  port ${number}: RX queue number: ${queues} Tx queue number: ${queues}`,
        ...port.rx.flatMap(({ queue }, i) => [`    RX queue: ${i}`, `      RX desc=${queue.size}`]),
        ...port.tx.flatMap(({ queue }, i) => [`    TX queue: ${i}`, `      TX desc=${queue.size}`]),
      ];
    }),
  ].join('\n');
}

function peerText({ peers }: PromptSession, port: number): string {
  return macFromBytes(peers.get(port) ?? peerAddress(port)).toUpperCase();
}
