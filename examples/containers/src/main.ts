// Two containers without a network talk to each other through a switch in a third one.
// Usage: main.js [FRAMES [DIRECTORY]]: with a directory, whoever serves ping.sock and pong.sock there is the switch.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Container } from './container.ts';

const frames = process.argv[2] ?? '1000';
const host = fileURLToPath(new URL('./host.js', import.meta.url));
const vio = fileURLToPath(new URL('../../../packages/cli/bin/vio.js', import.meta.url));
/** As the switch sees it: the shared directory is /run/vio in every container. */
const config = {
  bridges: [{ name: 'br0' }],
  ports: ['ping', 'pong'].map((name) => ({ name, bridge: 'br0', socket: `/run/vio/${name}.sock` })),
};

const served = process.argv[3];
const shared = served ?? (await mkdtemp(join(tmpdir(), 'vio-containers-')));
const containers: Container[] = [];
const run = (program: string, ...args: string[]): Container => {
  const container = new Container(shared, program, ...args);
  containers.push(container);
  return container;
};
try {
  if (served === undefined) {
    await writeFile(join(shared, 'switch.json'), JSON.stringify(config));
    const fabric = run(vio, 'switch', 'run', '--config', '/run/vio/switch.json');
    await fabric.says(/^switching/m);
  }
  const pong = run(host, '/run/vio/pong.sock', 'pong', frames);
  const ping = run(host, '/run/vio/ping.sock', 'ping', frames);
  await ping.ended();
  console.log(`${pong.said}${ping.said}`.trimEnd());
} finally {
  for (const container of containers) await container.stop();
  if (served === undefined) await rm(shared, { recursive: true, force: true });
}
