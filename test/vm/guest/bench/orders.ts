// How a contender that is a process of this program takes its orders: a line each, from its input.
import { createInterface } from 'node:readline';

/** Sends or receives a few bursts. @returns packets */
export type Step = () => number;

/** Runs steps as it is told, until its input ends. @param stepOf by direction and length of frames */
export async function takeOrders(stepOf: (direction: 'tx' | 'rx', length: number) => Step): Promise<void> {
  const state: { step: Step | undefined; total: number; open: boolean } = {
    step: undefined,
    total: 0,
    open: true,
  };
  createInterface(process.stdin)
    .on('line', (line) => {
      const [order, length] = line.split(' ');
      if (order === 'count') console.log(state.total);
      else if (order === 'stop') state.step = undefined;
      else state.step = stepOf(order === 'tx' ? 'tx' : 'rx', Number(length));
    })
    .on('close', () => (state.open = false));
  console.log('ready');
  while (state.open) {
    const { step } = state;
    if (step !== undefined) state.total += step();
    await new Promise((resolve) => (step === undefined ? setTimeout(resolve, 5) : setImmediate(resolve)));
  }
}
