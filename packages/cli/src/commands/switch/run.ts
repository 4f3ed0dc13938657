import { runDaemon } from '@vio/switch/internal';
import { Output } from '../../output.ts';
import type { SwitchRunOptions } from './options.ts';

/** Runs a switch until it is interrupted. */
export async function runSwitch(options: SwitchRunOptions, interrupted: AbortSignal): Promise<void> {
  const output = new Output(options.json === true);
  const { config, control, state, http } = options;
  await runDaemon({
    file: config,
    override: {
      ...(control === undefined ? {} : { control }),
      ...(state === undefined ? {} : { state }),
      ...(http === undefined ? {} : { http }),
    },
    interrupted,
    report: {
      ready(where) {
        const { ports } = where;
        const places = [
          ...(where.control === undefined ? [] : [`control socket ${where.control}`]),
          ...(where.http === undefined ? [] : [`/health and /metrics on ${where.http}`]),
        ];
        const data = { control: where.control ?? null, http: where.http ?? null, ports };
        output.record('ready', data, [`switching ${ports} ports`, ...places].join('; '));
      },
      reloaded(done) {
        const text = Object.entries(done).map(([what, names]) => `${names.length} ${what}`);
        output.record('reloaded', done, `configuration taken over: ${text.join(', ')}`);
      },
      trouble(trouble) {
        const where = 'port' in trouble ? `port ${trouble.port}: ` : '';
        output.record('trouble', trouble, `${where}${trouble.what}: ${trouble.message} (${trouble.code})`);
      },
    },
  });
}
