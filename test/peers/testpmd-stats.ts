/** Counters of `show port stats N`. */
export interface PortStats {
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly rxMissed: number;
  readonly rxNoMbuf: number;
  readonly txPackets: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

export function parsePortStats(text: string): PortStats {
  const value = (name: string): number => {
    const match = new RegExp(`${name}:\\s+(\\d+)`).exec(text);
    if (match === null) throw new Error(`testpmd's port statistics have no ${name}:\n${text}`);
    return Number(match[1]);
  };
  return {
    rxPackets: value('RX-packets'),
    rxBytes: value('RX-bytes'),
    rxErrors: value('RX-errors'),
    rxMissed: value('RX-missed'),
    rxNoMbuf: value('RX-nombuf'),
    txPackets: value('TX-packets'),
    txBytes: value('TX-bytes'),
    txErrors: value('TX-errors'),
  };
}

/** `show port xstats N`: lines `name: value`. */
export function parseXstats(text: string): Map<string, number> {
  const lines = text.matchAll(/^(\w+): (\d+)$/gm);
  return new Map(Array.from(lines, ([, name, value]) => [name, Number(value)]));
}
