/** Colours of a terminal; without, a text stays as it is. */
export type Paint = (color: 'green' | 'yellow' | 'red' | 'bold' | 'dim', text: string) => string;

const codes = { green: 32, yellow: 33, red: 31, bold: 1, dim: 2 } as const;

export const plain: Paint = (_color, text) => text;

export const colored: Paint = (color, text) => `\u001b[${codes[color]}m${text}\u001b[0m`;

/** Whether a stream shows colours, as NO_COLOR and TERM have it. */
export function paintFor(stream: { readonly isTTY?: boolean }, env = process.env): Paint {
  const { NO_COLOR: noColor = '', TERM: term = '' } = env;
  return stream.isTTY === true && noColor === '' && term !== 'dumb' ? colored : plain;
}
