import type { Datapath } from '../../ports/datapath.ts';
import type { TurnTimes } from '../../forward/turn-times.ts';
import { LocalDatapath } from '../../ports/local-datapath.ts';
import type { PortSlot } from '../../ports/port-slot.ts';
import type { TellOfBroken } from '../../worker/worker-datapath.ts';
import { threadCpus } from './lcores.ts';
import type { RunOptions } from './options.ts';

/** Who forwards: this thread, or as many as were asked for. @param times of turns of this thread */
export async function openDatapath(
  slots: readonly PortSlot[],
  { nbCores, portTopology, lcores }: RunOptions,
  tellOfBroken: TellOfBroken,
  times: TurnTimes,
): Promise<Datapath> {
  if (nbCores === 1) return new LocalDatapath(slots, portTopology, times);
  const { WorkerDatapath } = await import('../../worker/worker-datapath.ts');
  return new WorkerDatapath(slots, portTopology, nbCores, tellOfBroken, threadCpus(lcores, nbCores));
}
