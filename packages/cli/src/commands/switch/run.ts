import { runDaemon } from '@vio/switch/internal';
import { LimitedOutput } from '../../limited-output.ts';
import { Output } from '../../output.ts';
import { usualControlPath } from '../../telemetry/places.ts';
import { atPlace } from '../../telemetry/serve.ts';
import { version } from '../../version.ts';
import type { SwitchRunOptions } from './options.ts';

/** Ports of which is remembered how much was said of them. */
const mostPorts = 4096;

/** Runs a switch until it is interrupted. */
export async function runSwitch(options: SwitchRunOptions, interrupted: AbortSignal): Promise<void> {
  const output = new Output(options.json === true);
  const { config, control, state, http, telemetry } = options;
  // A tenant who fills the log with what is wrong at his port leaves the others theirs.
  const outputs = new Map<string, LimitedOutput>();
  const outputOf = (port: string, where: string): LimitedOutput => {
    const known = outputs.get(port);
    if (known !== undefined) return known;
    if (outputs.size > mostPorts) outputs.clear();
    const fresh = new LimitedOutput(output, { port }, where);
    outputs.set(port, fresh);
    return fresh;
  };
  await runDaemon({
    file: config,
    override: {
      ...(control === undefined ? {} : { control }),
      ...(state === undefined ? {} : { state }),
      ...(http === undefined ? {} : { http }),
    },
    interrupted,
    // Who wants no socket to look by, and has named none, has none.
    usualControl: () => (telemetry === false ? undefined : usualControlPath()),
    // A control socket shows what telemetry does.
    show: (fabric, controlled) => {
      if (telemetry === false || (telemetry === undefined && controlled)) return;
      if (telemetry !== undefined)
        output.record('telemetry', { path: telemetry }, `telemetry on ${telemetry}`);
      const about = { version: `vio ${version}`, command: 'switch' };
      atPlace('switch', telemetry, (path) => fabric.serveTelemetry(path, { about }));
    },
    page: async (fabric) => {
      const { switchPage } = await import('./page.ts');
      return switchPage(fabric);
    },
    report: {
      ready(where) {
        const { ports } = where;
        const places = [
          ...(where.control === undefined ? [] : [`control socket ${where.control}`]),
          ...(where.http === undefined ? [] : [`/health and /metrics on ${where.http}`]),
          ...(where.page === undefined ? [] : [`live page on ${where.page}`]),
        ];
        const { control: socket = null, http: url = null, page = null } = where;
        const data = { control: socket, http: url, page, ports };
        output.record('ready', data, [`switching ${ports} ports`, ...places].join('; '));
      },
      reloaded(done) {
        const text = Object.entries(done).map(([what, names]) => `${names.length} ${what}`);
        output.record('reloaded', done, `configuration taken over: ${text.join(', ')}`);
      },
      trouble(trouble) {
        const port = 'port' in trouble ? trouble.port : '';
        const where = port === '' ? '' : `port ${port}: `;
        const text = `${where}${trouble.what}: ${trouble.message} (${trouble.code})`;
        outputOf(port, where).record('trouble', trouble, text);
      },
    },
  });
}
