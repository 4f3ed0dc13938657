import type { Datapath } from '../../ports/datapath.ts';
import { LocalDatapath } from '../../ports/local-datapath.ts';
import type { PortSlot } from '../../ports/port-slot.ts';
import type { TellOfBroken } from '../../ports/worker-datapath.ts';
import type { RunOptions } from './options.ts';

/** Who forwards: this thread, or as many as were asked for. */
export async function openDatapath(
  slots: readonly PortSlot[],
  { nbCores, portTopology }: RunOptions,
  tellOfBroken: TellOfBroken,
): Promise<Datapath> {
  if (nbCores === 1) return new LocalDatapath(slots, portTopology);
  const { WorkerDatapath } = await import('../../ports/worker-datapath.ts');
  return new WorkerDatapath(slots, portTopology, nbCores, tellOfBroken);
}
