import { expect, it } from 'vitest';
import { ioctlAsync, openDeviceAsync, writeAsync } from './device.ts';
import { closeFd } from '../fds/fd.ts';
import { EventFd } from '../fds/event-fd.ts';
import { UnixStream } from '../sockets/unix-stream.ts';

/** Bytes waiting to be read, as an int. */
const FIONREAD = 0x541b;
/** Has 4 bytes. */
const TUNSETTXFILTER = 0x400454d1;

it('an ioctl on another thread fills the structure it was given', async () => {
  const [here, there] = UnixStream.pair();
  await here.send(new Uint8Array(5));
  const waiting = new Uint8Array(4);
  expect(await ioctlAsync(there.fd, FIONREAD, waiting, 'count bytes')).toBe(0);
  expect([...waiting]).toEqual([5, 0, 0, 0]);
  here.close();
  there.close();
});

it('an ioctl on another thread fails by name', async () => {
  using event = EventFd.create();
  const known = { ENOTTY: { code: 'VIO_NOT_A_SOCKET', remedy: 'give a socket' } };
  await expect(ioctlAsync(event.fd, FIONREAD, new Uint8Array(4), 'count bytes', known)).rejects.toMatchObject(
    {
      code: 'VIO_NOT_A_SOCKET',
      message: 'cannot count bytes: ioctl says ENOTTY',
      cause: { code: 'ENOTTY' },
    },
  );
});

it('an ioctl does not reach beyond the bytes it is given', async () => {
  using event = EventFd.create();
  await expect(ioctlAsync(event.fd, TUNSETTXFILTER, new Uint8Array(3), 'filter')).rejects.toMatchObject({
    code: 'VIO_SYS_EINVAL',
  });
});

it('opens a device and writes to it on another thread', async () => {
  const fd = await openDeviceAsync('/dev/null');
  await expect(writeAsync(fd, new Uint8Array(8), 'write')).resolves.toBeUndefined();
  closeFd(fd);
});

it('tells by name why a device cannot be opened or written to', async () => {
  const known = { ENOENT: { code: 'VIO_DEVICE_MISSING', remedy: 'load its module' } };
  await expect(openDeviceAsync('/dev/none-such', known)).rejects.toMatchObject({
    code: 'VIO_DEVICE_MISSING',
    message: 'cannot open /dev/none-such: open says ENOENT',
  });
  const fd = await openDeviceAsync('/dev/full');
  await expect(writeAsync(fd, new Uint8Array(8), 'write')).rejects.toMatchObject({ code: 'VIO_SYS_ENOSPC' });
  closeFd(fd);
});
