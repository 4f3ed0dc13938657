/** Reverse ARP (RFC 903): the frame by which a station makes its address known to switches. */
export function announcement(mac: string): Uint8Array {
  const address = mac.split(':').map((byte) => Number.parseInt(byte, 16));
  const frame = new Uint8Array(60);
  frame.fill(0xff, 0, 6);
  frame.set(address, 6);
  // Type RARP, hardware Ethernet, protocol IPv4, lengths of their addresses, operation "request reverse".
  frame.set([0x80, 0x35, 0, 1, 0x08, 0, 6, 4, 0, 3], 12);
  frame.set(address, 22);
  frame.set(address, 32);
  return frame;
}
