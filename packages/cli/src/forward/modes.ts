import type { ForwardMode } from './mode-names.ts';
import { makeChecksums } from './engines/csum.ts';
import { type ForwardStep, forwarding } from './engine.ts';
import { swapFiveTuple } from './engines/five-tuple-swap.ts';
import { generate } from './engines/generate.ts';
import { answerEcho } from './engines/icmp-echo.ts';
import { setAddresses } from './engines/mac.ts';
import { swapAddresses } from './engines/macswap.ts';
import { FrameTemplate } from './frame-template.ts';

/** Flows of `flowgen`. */
const flowsOfFlowgen = 1024;

/** True for a mode that does nothing until it receives something. */
export function waitsForPackets(mode: ForwardMode): boolean {
  return mode !== 'txonly' && mode !== 'flowgen';
}

/**
 * The step function of a mode, named and meant as in DPDK's testpmd.
 * @param segments for txonly and flowgen: bytes of the frame, or of each of its segments
 */
export function forwardStep(mode: ForwardMode, segments: readonly number[]): ForwardStep {
  switch (mode) {
    case 'io':
      return forwarding();
    case 'mac':
      return forwarding(setAddresses);
    case 'macswap':
      return forwarding(swapAddresses);
    case '5tswap':
      return forwarding(swapFiveTuple);
    case 'icmpecho':
      return forwarding(answerEcho);
    case 'csum':
    case 'checksum':
      return forwarding(makeChecksums);
    case 'rxonly':
      return receiveOnly;
    case 'txonly':
      return generate(new FrameTemplate(segments), 1);
    case 'flowgen':
      return exchange(generate(new FrameTemplate(segments), flowsOfFlowgen));
  }
}

const receiveOnly: ForwardStep = (lane, burst, counts) => {
  const received = lane.receive(burst);
  if (received > 0) burst.release();
  counts.received += received;
  return received;
};

/** Generates, and empties the receive side as well. */
function exchange(generator: ForwardStep): ForwardStep {
  return (lane, burst, counts) => receiveOnly(lane, burst, counts) + generator(lane, burst, counts);
}
