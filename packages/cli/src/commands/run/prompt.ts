import { type DevicePort, portSource } from '@vio/net';
import { exitCodes } from '../../failure.ts';
import { Output } from '../../output.ts';
import type { PortSlot } from '../../ports/port-slot.ts';
import { Interpreter } from '../../prompt/interpreter.ts';
import { PromptSession } from '../../prompt/session.ts';
import { Terminal } from '../../prompt/terminal.ts';
import { openDatapath } from './open-datapath.ts';
import { slotOptions } from './open-ports.ts';
import { beginRun } from './opening.ts';
import type { RunOptions } from './options.ts';

/**
 * Opens ports and does with them what somebody asks for at a prompt, or a file says.
 * @returns the exit code: 0, or what the first line of a script came to that was not carried out
 */
export async function promptForPorts(
  devargs: readonly string[],
  options: RunOptions,
  interrupted: AbortSignal,
): Promise<number> {
  const terminal = new Terminal({ input: process.stdin, output: process.stdout });
  const say = (text: string): void => terminal.say(text);
  await using opening = await beginRun(devargs, options, new Output(false));
  const { set, measured } = opening;
  const { slots } = set;
  await using datapath = await openDatapath(
    slots,
    options,
    (port, direction, queue, detail) =>
      say(`\nPort ${port}: ${direction} queue ${queue} is broken: ${detail}`),
    opening.times,
  );
  const sources = new Map<number, { remove(): void }>();
  const open = async (slot: PortSlot, signal: AbortSignal): Promise<void> => {
    sources.get(slot.number)?.remove();
    const how = slotOptions(options, ({ message, code }) =>
      say(`Port ${slot.number}: waiting for a backend: ${message} (${code})`),
    );
    const port = await slot.open({ ...how, scaled: true }, { signal });
    measured[slot.name] = port;
    sources.set(
      slot.number,
      opening.telemetry.add(portSource(port, slot.name, () => datapath.besides(slot.number))),
    );
    tellOfEvents(slot, port, say);
  };

  if (options.interactive === true) say('Interactive-mode selected');
  for (const slot of slots) {
    say(`Configuring Port ${slot.number}`);
    await open(slot, interrupted);
    say(`Port ${slot.number}: ${slot.port?.mac.toUpperCase() ?? ''}`);
  }
  say('Checking link statuses...\nDone');

  const session: PromptSession = new PromptSession({
    slots,
    datapath,
    topology: options.portTopology,
    mode: options.forwardMode,
    segments: options.txpkts,
    burst: options.burst,
    add: (text) => set.add(text),
    forget: (slot) => {
      sources.get(slot.number)?.remove();
      delete measured[slot.name];
    },
    reopen: open,
    say,
    load: (file) => interpreter.load(file),
  });
  session.signal = interrupted;
  const interpreter = new Interpreter(session);
  if (options.txFirst === true) await interpreter.execute('start tx_first');
  else if (options.autoStart === true) await interpreter.execute('start');
  if (options.cmdlineFile !== undefined && !interrupted.aborted)
    await interpreter.script(options.cmdlineFile);
  if (!session.quitting && options.interactive === true)
    await terminal.run(interpreter, session, interrupted);
  else if (!session.quitting && datapath.running) await over(options.duration, interrupted);

  if (datapath.running) await interpreter.execute('stop');
  for (const { number } of session.slots) say(`\nStopping port ${number}...\nStopping ports...\nDone`);
  for (const slot of session.slots.toReversed()) {
    await slot.close();
    say(`\nShutting down port ${slot.number}...\nClosing ports...\nPort ${slot.number} is closed\nDone`);
  }
  say('\nBye...');
  // Whoever types sees what was wrong.
  const typed = options.interactive === true && terminal.interactive && options.cmdlineFile === undefined;
  if (typed || interpreter.outcome === 'done') return 0;
  return interpreter.outcome === 'wrong' ? exitCodes.usage : exitCodes.failure;
}

/** Tells of what becomes of a port by itself. A port that loses its backend stays: others go on. */
function tellOfEvents(slot: PortSlot, port: DevicePort, say: (text: string) => void): void {
  port.on('link', ({ reason }) => {
    if (port.closed || slot.port !== port || !slot.started) return;
    const why = reason === undefined ? '' : `: ${reason.message} (${reason.code})`;
    say(`\nPort ${slot.number}: link state change event${why}`);
  });
  port.on('warning', ({ message, code }) => say(`\nPort ${slot.number}: ${message} (${code})`));
  port.on('broken', ({ direction, queue, fault }) =>
    say(`\nPort ${slot.number}: ${direction} queue ${queue} is broken: ${fault.detail} (${fault.code})`),
  );
}

/** Until the time is over, or somebody wants an end. */
async function over(duration: number | undefined, interrupted: AbortSignal): Promise<void> {
  if (interrupted.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = duration === undefined ? undefined : setTimeout(resolve, duration * 1000);
    interrupted.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
