import type { DevicePort, Telemetry } from '@vio/net';
import { TurnTimes } from '../../forward/turn-times.ts';
import { serveMetrics, tellMetrics } from '../../metrics/serve.ts';
import type { Output } from '../../output.ts';
import { pageOf } from '../../page/server/page-of.ts';
import { PortSet } from '../../ports/port-set.ts';
import { serveCommandTelemetry } from '../../telemetry/serve.ts';
import { allDevargs } from './open-ports.ts';
import type { RunOptions } from './options.ts';

/** What `vio run` begins with, with a prompt or without: ports that nobody has opened, and who may look at them. */
export interface Opening extends AsyncDisposable {
  readonly set: PortSet;
  /** Of the turns of this thread. */
  readonly times: TurnTimes;
  readonly telemetry: Telemetry;
  /** By name: what /metrics shows. */
  readonly measured: Record<string, DevicePort>;
}

/** @throws VioError VIO_CLI_METRICS, VIO_CLI_NO_DEVICE, VIO_SOCKET_*: nothing is left behind */
export async function beginRun(
  devargs: readonly string[],
  options: RunOptions,
  output: Output,
): Promise<Opening> {
  const measured: Record<string, DevicePort> = {};
  const times = new TurnTimes();
  const shown = serveCommandTelemetry('run', options, output);
  const ends: AsyncDisposable[] = [shown];
  const end = async (): Promise<void> => {
    for (const each of ends.toReversed()) await each[Symbol.asyncDispose]();
  };
  try {
    const page = pageOf('run', options, shown.telemetry, options.nbCores === 1 ? times : undefined);
    const metrics = await serveMetrics(options.metrics, () => measured, page);
    if (metrics !== undefined) ends.push(metrics);
    tellMetrics(metrics, output);
    const set = new PortSet(await allDevargs(devargs, options));
    ends.push(set);
    return { set, times, telemetry: shown.telemetry, measured, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}
