// The device plugin as a program, see `usage`.
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DevicePlugin } from './device-plugin.ts';

const usage = `usage: vio-device-plugin [--ports N] [--control PATH] [--socket-dir DIR] [--directory DIR] [--resource NAME]

  --ports N          ports that this node offers, 1 to 4096 (default 256)
  --control PATH     control socket of the switch (default /run/vio/switch.sock)
  --socket-dir DIR   where pods get their sockets (default /var/lib/vio/ports)
  --directory DIR    where the kubelet listens (default /var/lib/kubelet/device-plugins)
  --resource NAME    what pods ask for (default vio.dev/port)
  --help             this text
`;

function end(text: string, code: number): never {
  process.stderr.write(text);
  process.exit(code);
}

const values = read();
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const ports = Number(values.ports);
if (!Number.isInteger(ports) || ports < 1 || ports > 4096)
  end(`vio-device-plugin: --ports takes 1 to 4096\n\n${usage}`, 2);
if (!existsSync(values.directory))
  end(`vio-device-plugin: there is no ${values.directory}; --directory says where the kubelet listens\n`, 1);
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

function read() {
  try {
    return parseArgs({
      options: {
        ports: { type: 'string', default: '256' },
        control: { type: 'string', default: '/run/vio/switch.sock' },
        'socket-dir': { type: 'string', default: '/var/lib/vio/ports' },
        directory: { type: 'string', default: '/var/lib/kubelet/device-plugins' },
        resource: { type: 'string', default: 'vio.dev/port' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    return end(`vio-device-plugin: ${error instanceof Error ? error.message : String(error)}\n\n${usage}`, 2);
  }
}
