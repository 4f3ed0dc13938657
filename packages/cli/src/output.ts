import { jsonValue } from '@vio/net/internal';

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
