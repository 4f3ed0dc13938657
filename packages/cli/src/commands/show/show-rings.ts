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
  if (ports.length === 0) throw nothing(looks.length > 0, port);
  if (svg === true) return void process.stdout.write(ringsSvg(ports));
  const output = new Output(json === true);
  for (const each of ports) output.record('rings', each, ringsText(each));
}

function nothing(running: boolean, port: number | undefined): VioError {
  const code = 'VIO_SHOW_NOTHING';
  if (!running)
    return new VioError('nothing runs here that can be looked at', {
      code,
      remedy: 'start vio run, vio backend or vio switch run, or give the path of a telemetry socket',
      retryable: true,
    });
  if (port === undefined)
    return new VioError('what runs here has no port yet', {
      code,
      remedy: 'connect the other side: a backend has rings once a driver is there',
      retryable: true,
    });
  return new VioError('what runs here has no such port', {
    code,
    remedy: 'leave --port out: all are shown then, each with its number',
    retryable: true,
  });
}
