import type { Attachment } from './environment.ts';

/** What the names of a network's ports begin with. */
export function portPrefix(network: string): string {
  return `cni:${part(network, 32)}:`;
}

/** The port of an attachment, by a name that the switch takes: 128 characters at most, and no two attachments have the same. */
export function portName(network: string, { containerId, ifName }: Attachment): string {
  return `${portPrefix(network)}${part(containerId, 64)}:${part(ifName, 16)}`;
}

/** The same for Open vSwitch, whose ports have 15 characters. */
export function shortPortName(network: string, attachment: Attachment): string {
  return `vio${digest(portName(network, attachment), 12)}`;
}

/** An address that is this attachment's every time: unicast, locally administered. */
export function macFor(network: string, attachment: Attachment): string {
  const hex = digest(`mac ${portName(network, attachment)}`, 10);
  return `02:${hex.match(/../g)?.join(':') ?? ''}`;
}

/** What is too long becomes its hash, what has other characters has them in hexadecimal. */
function part(text: string, most: number): string {
  const plain = text.replaceAll(/[^A-Za-z0-9_.-]/g, (one) => `@${one.charCodeAt(0).toString(16)}`);
  return plain.length <= most ? plain : `@${digest(text, most - 1)}`;
}

function digest(text: string, characters: number): string {
  // Loaded by those alone who need it: a plugin starts anew for every call.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha256').update(text).digest('hex').slice(0, characters);
}
