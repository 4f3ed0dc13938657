export const broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
export const multicast = [0x01, 0, 0x5e, 0, 0, 0xfb];

/** An address nobody has, of the host with this number. */
export const macOf = (host: number): number[] => [0x02, 0, 0, 0, 0, host];

/** So many bytes, each its own number. */
export const content = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i & 0xff);

let sequence = 0;

/** A frame like no other. @param vlan adds a tag with this TCI */
export function frame(
  to: readonly number[],
  from: readonly number[],
  { vlan, bytes = 60 }: { vlan?: number; bytes?: number } = {},
): Uint8Array {
  const tag = vlan === undefined ? [] : [0x81, 0, vlan >>> 8, vlan & 0xff];
  const frameBytes = Buffer.alloc(bytes + tag.length);
  frameBytes.set([...to, ...from, ...tag, 0x88, 0xb5]);
  frameBytes.writeUInt32BE(sequence++, frameBytes.length - 4);
  return Uint8Array.from(frameBytes);
}
