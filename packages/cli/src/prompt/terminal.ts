import { type Interface, createInterface } from 'node:readline';
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type { Readable, Writable } from 'node:stream';
import type { Interpreter } from './interpreter.ts';
import type { PromptSession } from './session.ts';

/** What scripts wait for that drive testpmd. */
const promptText = 'testpmd> ';
/** Lines that are remembered. */
const historyLines = 512;

/** Where somebody types: a terminal, or something that is piped in. */
export interface TerminalStreams {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable & { readonly isTTY?: boolean };
}

/**
 * Asks for commands until `quit`, or until there are no more. Lines are carried out one after the other; packets go on meanwhile. At a
 * terminal there are history and completion, Ctrl-C gives the line up, or the command that waits, and Ctrl-D leaves.
 */
export class Terminal {
  readonly #streams: TerminalStreams;
  readonly #terminal: boolean;
  #interface: Interface | undefined;
  /** Somebody is being asked. */
  #asking = false;
  /** There is no more to read; what was read may not have been carried out yet. */
  #ended = false;

  constructor(streams: TerminalStreams) {
    this.#streams = streams;
    this.#terminal = streams.input.isTTY === true && streams.output.isTTY === true;
  }

  /** Somebody types. */
  get interactive(): boolean {
    return this.#terminal;
  }

  /** Writes something down, above what is being typed. */
  say(text: string): void {
    const { output } = this.#streams;
    const typing = this.#interface;
    if (!this.#asking || typing === undefined) {
      output.write(`${text}\n`);
      return;
    }
    if (!this.#terminal) {
      output.write(`\n${text}\n${promptText}`);
      return;
    }
    // What is redrawn begins as many rows above as the line being typed has.
    const { rows } = typing.getCursorPos();
    output.write(`\n${text}\n${'\n'.repeat(rows)}`);
    typing.prompt(true);
  }

  /** @param interrupted ends it */
  async run(interpreter: Interpreter, session: PromptSession, interrupted: AbortSignal): Promise<void> {
    const { input, output } = this.#streams;
    const lines = createInterface({
      input,
      output,
      terminal: this.#terminal,
      prompt: promptText,
      historySize: historyLines,
      removeHistoryDuplicates: true,
      completer: (line: string) => interpreter.complete(line),
    });
    this.#interface = lines;
    /** Ends what the command that runs waits for. */
    let waiting: AbortController | undefined;
    const giveUp = (): void => {
      if (waiting !== undefined) return waiting.abort();
      // Clears the line, from its end back.
      lines.write(null, { ctrl: true, name: 'e' });
      lines.write(null, { ctrl: true, name: 'u' });
      output.write('\n');
      lines.prompt();
    };
    lines.on('SIGINT', giveUp);
    lines.once('close', () => (this.#ended = true));
    const leave = (): void => lines.close();
    interrupted.addEventListener('abort', leave, { once: true });
    try {
      if (!interrupted.aborted) this.#ask(lines);
      for await (const line of lines) {
        if (interrupted.aborted) break;
        this.#asking = false;
        if (!this.#terminal) output.write(`${line}\n`);
        waiting = new AbortController();
        session.signal = AbortSignal.any([waiting.signal, interrupted]);
        await interpreter.execute(line);
        // Of what is piped in, many lines are there at once.
        await turnOfLoop();
        waiting = undefined;
        if (session.quitting || interrupted.aborted) break;
        this.#ask(lines);
      }
    } finally {
      this.#asking = false;
      interrupted.removeEventListener('abort', leave);
      this.#interface = undefined;
      lines.close();
      if (!session.quitting) output.write('\n');
    }
  }

  #ask(lines: Interface): void {
    this.#asking = true;
    // An interface that is closed cannot be asked (Node 26 throws), but has lines that it has read.
    if (!this.#ended) lines.prompt();
    else if (!this.#terminal) this.#streams.output.write(promptText);
  }
}
