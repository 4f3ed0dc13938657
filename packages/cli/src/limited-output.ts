import type { Output } from './output.ts';
import { TalkLimit } from './talk-limit.ts';

/** Says what others can have said as often as they like as often as a log can bear, and then how much was left out. */
export class LimitedOutput {
  readonly #output: Output;
  readonly #about: object;
  readonly #where: string;
  readonly #limit = new TalkLimit();

  /**
   * @param about what stands in the record of what was left out as well
   * @param where what stands in front of its text
   */
  constructor(output: Output, about: object = {}, where = '') {
    this.#output = output;
    this.#about = about;
    this.#where = where;
  }

  /** A result, as of `Output`. @returns whether it was said */
  record(type: string, data: object, text: string): boolean {
    const messages = this.#limit.admit();
    if (messages === undefined) return false;
    if (messages > 0) {
      const all = { ...this.#about, messages };
      this.#output.record('unsaid', all, `${this.#where}${messages} messages were left out`);
    }
    this.#output.record(type, data, text);
    return true;
  }
}
