import type { UnixListener } from '@vio/native';
import { type ClientSocket, clientSockets } from './client-socket.ts';
import type { WorkBudget } from './work-budget.ts';

/** Milliseconds that somebody who comes costs, besides what is seen of it. */
const coming = 0.1;
/** Those who wait to be let in, among those who ask. */
const doorWeight = 8;

/**
 * Lets in who connects to a listener, one after the other, each when it is his turn: whoever has to wait does so in the kernel's queue.
 * Resolves when it is aborted.
 * @param serve is given a socket that reads once at a time, whenever somebody asks it to, and does not keep the process alive
 */
export async function letIn(
  listener: UnixListener,
  budget: WorkBudget,
  signal: AbortSignal,
  serve: (client: ClientSocket) => void,
): Promise<void> {
  const door = budget.account(doorWeight);
  while (!signal.aborted) {
    try {
      const stream = await listener.accept({ signal });
      const socketOf = await clientSockets();
      await door.spend(() => {
        if (signal.aborted) return stream.close();
        const client = socketOf(stream);
        client.unref();
        client.on('error', () => client.destroy());
        serve(client);
      }, coming);
    } catch {
      // Ended, or out of descriptors: not at once again.
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10).unref());
    }
  }
}
