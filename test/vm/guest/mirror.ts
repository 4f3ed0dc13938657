import type { NetPort } from '@vio/net';

/** Sends every frame back, until the signal. */
export async function mirror(port: NetPort, signal: AbortSignal): Promise<void> {
  for await (const frame of port.packets({ signal })) await port.send(frame);
}
