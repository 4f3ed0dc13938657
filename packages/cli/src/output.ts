/** Where a command's results go: lines for a person, or one JSON object per line with `--json`. */
export class Output {
  readonly #json: boolean;
  readonly #stream: NodeJS.WritableStream;

  /** @param stream stdout, unless something else is written there */
  constructor(json: boolean, stream: NodeJS.WritableStream = process.stdout) {
    this.#json = json;
    this.#stream = stream;
  }

  /** A result: `text` for a person, `{ type, ...data }` for a program. */
  record(type: string, data: object, text: string): void {
    this.#stream.write(this.#json ? `${JSON.stringify({ type, ...data }, jsonValue)}\n` : `${text}\n`);
  }
}

/** For `JSON.stringify`: feature masks are bigints; JSON has none, so they are written as hexadecimal strings. */
export function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : value;
}
