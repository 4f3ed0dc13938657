import type { Received, UnixStream } from '../sockets/unix-stream.ts';

/** Text as bytes of a stream. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Receives once there is something. */
export async function receiveNext(stream: UnixStream, room = 65536): Promise<Received & { text: string }> {
  await stream.readable({ timeout: 5000 });
  const target = new Uint8Array(room);
  const received = stream.receive(target);
  if (received === undefined) throw new Error('readable, and then nothing was there');
  return { ...received, text: new TextDecoder().decode(target.subarray(0, received.bytes)) };
}
