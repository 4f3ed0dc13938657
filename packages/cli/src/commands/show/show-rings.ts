import { VioError } from '@vio/native';
import { Output } from '../../output.ts';
import { Watcher } from '../top/watcher.ts';
import type { ShowOptions } from './options.ts';
import { ringsSvg } from './rings-svg.ts';
import { type ShownPort, ringsText } from './rings-text.ts';

/** Shows the rings of running programs. */
export async function showRings(sockets: readonly string[], { port, svg, json }: ShowOptions): Promise<void> {
  using watcher = new Watcher(sockets);
  const looks = await watcher.look();
  const ports: ShownPort[] = looks.flatMap(({ command, pid, ports: seen }) =>
    seen
      .filter(({ id }) => port === undefined || id === port)
      .map(({ id, name, kind, rings }) => ({ program: `${command} ${pid}`, port: id, name, kind, rings })),
  );
  if (ports.length === 0) throw nothing(looks.length > 0);
  if (svg === true) return void process.stdout.write(ringsSvg(ports));
  const output = new Output(json === true);
  for (const each of ports) output.record('rings', each, ringsText(each));
}

function nothing(running: boolean): VioError {
  return new VioError(
    running ? 'what runs here has no such port' : 'nothing runs here that can be looked at',
    {
      code: 'VIO_SHOW_NOTHING',
      remedy: running
        ? 'leave --port out: all are shown then, each with its number'
        : 'start vio run, vio backend or vio switch run, or give the path of a telemetry socket',
      retryable: true,
    },
  );
}
