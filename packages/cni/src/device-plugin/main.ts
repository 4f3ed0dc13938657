// The device plugin as a program: `vio-device-plugin [--ports N] [--control PATH] [--socket-dir DIR] [--directory DIR]`.
import { parseArgs } from 'node:util';
import { DevicePlugin } from './device-plugin.ts';

const { values } = parseArgs({
  options: {
    ports: { type: 'string', default: '256' },
    control: { type: 'string', default: '/run/vio/switch.sock' },
    'socket-dir': { type: 'string', default: '/var/lib/vio/ports' },
    directory: { type: 'string', default: '/var/lib/kubelet/device-plugins' },
    resource: { type: 'string', default: 'vio.dev/port' },
  },
});
const ports = Number(values.ports);
if (!Number.isInteger(ports) || ports < 1 || ports > 4096) {
  process.stderr.write('vio-device-plugin: --ports takes 1 to 4096\n');
  process.exit(2);
}
const plugin = await DevicePlugin.start({
  ports,
  control: values.control,
  socketDir: values['socket-dir'],
  directory: values.directory,
  resource: values.resource,
  log: (line) => process.stdout.write(`${line}\n`),
});
await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
await plugin[Symbol.asyncDispose]();
