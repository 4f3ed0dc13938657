import { VioError } from '@vio/native';
import { printable } from '@vio/native/internal';
import { type Devargs, splitDevargs } from '@vio/net/internal';

/**
 * Takes apart `net_virtio_user0,path=/tmp/vhost.sock,queues=2`, as DPDK's --vdev does. The driver's name may be
 * missing; DPDK's alias `virtio_user0` is taken too.
 * @throws VioError VIO_DEVARGS_SYNTAX, VIO_DEVARGS_DRIVER, VIO_DEVARGS_TWICE
 */
export function parseDevargs(text: string): Devargs {
  const devargs = splitDevargs(text);
  const { name } = devargs;
  if (name === '' || /^(net_)?virtio_user\w*$/.test(name)) return devargs;
  throw new VioError(`"${name}" is not a virtio-user device`, {
    code: 'VIO_DEVARGS_DRIVER',
    remedy: `begin with net_virtio_user0 (any number), or with the first key: a socket is path=${printable(name)}`,
  });
}
