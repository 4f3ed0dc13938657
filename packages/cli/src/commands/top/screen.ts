import type { ReadStream, WriteStream } from 'node:tty';

const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const clearLine = '\u001b[K';
const clearBelow = '\u001b[J';

/** The keys that were pressed: an arrow is three characters, what most others send is one. */
function keysOf(text: string): string[] {
  const [first = '', ...sequences] = text.split('\u001b[');
  const arrows = sequences.flatMap((each) => [`\u001b[${each.slice(0, 1)}`, ...each.slice(1).split('')]);
  return [...first.split(''), ...arrows];
}

/** A terminal that one picture after the other is drawn on, in place of what was there; at the end that is back. */
export class Screen implements Disposable {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #onKey: (key: string) => void;
  readonly #onResize: () => void;
  readonly #raw: boolean;
  readonly #read = (data: Buffer): void => {
    for (const key of keysOf(data.toString('latin1'))) this.#onKey(key);
  };
  readonly #restore = (): void => this.#leave();

  constructor(
    input: ReadStream,
    output: WriteStream,
    handlers: { readonly key: (key: string) => void; readonly resize: () => void },
  ) {
    this.#input = input;
    this.#output = output;
    this.#onKey = handlers.key;
    this.#onResize = handlers.resize;
    this.#raw = input.isTTY;
    if (this.#raw) input.setRawMode(true);
    input.on('data', this.#read);
    output.on('resize', this.#onResize);
    output.write(enter);
    // Also where the program ends in another way.
    process.on('exit', this.#restore);
  }

  get columns(): number {
    return Math.max(1, this.#output.columns || 80);
  }

  get rows(): number {
    return Math.max(1, this.#output.rows || 24);
  }

  /** Draws as many lines as there is room for. @param from the first of them, behind those that always stay @param fixed those */
  draw(lines: readonly string[], from: number, fixed: number): void {
    const shown = [...lines.slice(0, fixed), ...lines.slice(fixed + from)].slice(0, this.rows);
    this.#output.write(`${home}${shown.map((line) => `${line}${clearLine}`).join('\r\n')}${clearBelow}`);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#restore);
    this.#input.off('data', this.#read);
    this.#output.off('resize', this.#onResize);
    this.#leave();
    this.#input.pause();
  }

  #leave(): void {
    if (this.#raw) this.#input.setRawMode(false);
    this.#output.write(leave);
  }
}
