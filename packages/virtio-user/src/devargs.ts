import { VioError } from '@vio/native';

/** A device-argument string taken apart: its driver's name and its keys, as written. */
export interface Devargs {
  /** `net_virtio_user0`; empty when the string begins with a key. */
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Takes apart `net_virtio_user0,path=/tmp/vhost.sock,queues=2`, as DPDK's --vdev does. The driver's name may be
 * missing; DPDK's alias `virtio_user0` is taken too.
 * @throws VioError VIO_DEVARGS_SYNTAX, VIO_DEVARGS_DRIVER, VIO_DEVARGS_TWICE
 */
export function parseDevargs(text: string): Devargs {
  const parts = text.split(',').map((part) => part.trim());
  const first = parts[0] ?? '';
  const name = first.includes('=') ? '' : first;
  if (name !== '' && !/^(net_)?virtio_user\w*$/.test(name)) {
    throw new VioError(`"${name}" is not a virtio-user device`, {
      code: 'VIO_DEVARGS_DRIVER',
      remedy: 'begin with net_virtio_user0 (any number), or with the first key',
    });
  }
  const values = new Map<string, string>();
  for (const part of name === '' ? parts : parts.slice(1)) {
    const at = part.indexOf('=');
    if (at < 1) {
      throw new VioError(`"${part}" in the devargs is not of the form key=value`, {
        code: 'VIO_DEVARGS_SYNTAX',
        remedy: 'separate key=value pairs by commas, without empty ones',
      });
    }
    const key = part.slice(0, at);
    if (values.has(key)) {
      throw new VioError(`the devargs give ${key} twice`, {
        code: 'VIO_DEVARGS_TWICE',
        remedy: `give ${key} once`,
      });
    }
    values.set(key, part.slice(at + 1));
  }
  return { name, values };
}
