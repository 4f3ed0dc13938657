import { isMac, mostVlanId } from '@vio/net/internal';

/** What a prompt knows that words of commands may name. */
export interface Vocabulary {
  /** Numbers of the ports. */
  readonly ports: readonly number[];
}

/** A kind of word that is not fixed. */
export interface WordKind {
  /** For a person: what is allowed. */
  readonly allowed: string;
  accepts(text: string, known: Vocabulary): boolean;
  /** What it can be completed to; empty: nobody knows. */
  offers(known: Vocabulary): readonly string[];
}

/** One place of a command: fixed words, or a kind of word. */
export interface SyntaxPlace {
  /** As in `<port>` or `on|off`. */
  readonly label: string;
  /** Its value is an argument of the command. */
  readonly argument: boolean;
  readonly optional: boolean;
  readonly words: readonly string[];
  readonly kind: WordKind | undefined;
}

/** A number, decimal or hexadecimal. */
function number(least: number, most: number): WordKind {
  return {
    allowed: `${least} to ${most}`,
    accepts: (text) => /^(\d+|0x[\da-f]+)$/i.test(text) && Number(text) >= least && Number(text) <= most,
    offers: () => [],
  };
}

function pattern(allowed: string, expression: RegExp): WordKind {
  return { allowed, accepts: (text) => expression.test(text), offers: () => [] };
}

const isPort = (text: string, { ports }: Vocabulary): boolean =>
  /^\d+$/.test(text) && ports.includes(Number(text));
const named = ({ ports }: Vocabulary): string[] => ports.map(String);

const vlan = number(0, mostVlanId);

/** The kinds of words by the names that a syntax uses. */
export const wordKinds = {
  port: { allowed: 'the number of a port', accepts: isPort, offers: named },
  ports: {
    allowed: 'the number of a port, or all',
    accepts: (text, known) => text === 'all' || isPort(text, known),
    offers: (known) => [...named(known), 'all'],
  },
  queue: number(0, 65_535),
  count: number(1, 0xffff_ffff),
  burst: number(1, 512),
  mtu: number(68, 65_535),
  bytes: number(0, 65_535),
  vlan,
  vlans: {
    allowed: `${vlan.allowed}, or all`,
    accepts: (text) => text === 'all' || vlan.accepts(text, { ports: [] }),
    offers: () => ['all'],
  },
  queues: number(1, 128),
  descriptors: number(1, 32_768),
  entries: number(1, 32_768),
  delay: number(0, 1_000_000),
  retries: number(0, 65_535),
  mac: { allowed: 'an address as in 02:00:00:00:00:01', accepts: isMac, offers: () => [] },
  lengths: pattern('bytes of each segment, with commas', /^\d+(,\d+)*$/),
  entry: pattern('entries as in (0,1),(1,0)', /^\(\d+,\d+\)(,\(\d+,\d+\))*$/),
  masks: pattern('masks of 64 entries each, as in (0xff,0x1)', /^\((0x)?[\da-f]+(,(0x)?[\da-f]+)*\)$/i),
  key: pattern('a key of hexadecimal digits', /^([\da-f]{2})+$/i),
  file: pattern('the name of a file', /./),
  device: pattern('devargs of a port, or the address of a PCI device', /./),
} satisfies Record<string, WordKind>;

/**
 * Takes a syntax apart. Words stand for themselves; `on|off` are several that are allowed, one of which is an argument; `<port>` is a kind
 * of word, and an argument; `[...]` may be left out, at the end.
 */
export function parseSyntax(syntax: string): SyntaxPlace[] {
  return syntax.split(' ').map((part) => {
    const optional = part.startsWith('[');
    const label = optional ? part.slice(1, -1) : part;
    const kindName = /^<(\w+)>$/.exec(label)?.[1];
    const words = kindName === undefined ? label.split('|') : [];
    const kind = kindName === undefined ? undefined : kindOf(kindName);
    // A word that may be left out says something, too.
    const argument = kind !== undefined || words.length > 1 || optional;
    return { label, optional, words, kind, argument };
  });
}

function kindOf(name: string): WordKind {
  const kinds: Readonly<Record<string, WordKind>> = wordKinds;
  const kind = kinds[name];
  if (kind === undefined) throw new TypeError(`no word is called <${name}>`);
  return kind;
}

/** Whether a word may stand there. */
export function fits({ words, kind }: SyntaxPlace, text: string, known: Vocabulary): boolean {
  return kind === undefined ? words.includes(text) : kind.accepts(text, known);
}

/** What may stand there, as far as it can be listed. */
export function offers({ words, kind }: SyntaxPlace, known: Vocabulary): readonly string[] {
  return kind === undefined ? words : kind.offers(known);
}

/** What is expected there, for a person. */
export function expected({ label, words, kind }: SyntaxPlace): string {
  return kind === undefined ? words.join('|') : `${label} (${kind.allowed})`;
}
