import { rejectionOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { openVirtioUser } from '../open.ts';

/** Nobody listens there, and nobody is asked. */
const path = '/tmp/vio-nobody-has-this.sock';

describe('an option of openVirtioUser that there is not', () => {
  it.each<[string, object, string]>([
    ['of the port', { timout: 100 }, 'openVirtioUser has no option "timout"'],
    ['of the tags', { vlan: { stripp: true } }, 'vlan has no option "stripp"'],
    ['of the socket', { socket: { perm: 0o660 } }, 'socket has no option "perm"'],
    ['of the descriptors', { descriptors: { taps: [3] } }, 'descriptors has no option "taps"'],
    ['of the memory', { memory: { hugePages: '2M' } }, 'memory has no option "hugePages"'],
    ['of reconnecting', { reconnect: { retries: 3 } }, 'reconnect has no option "retries"'],
  ])('(%s) is an error that names it', async (_, options, message) => {
    expect(await rejectionOf(openVirtioUser({ path }, options))).toMatchObject({
      code: 'VIO_OPTION_UNKNOWN',
      message,
    });
  });
});

it('hugepages that there are not are an error that names those that there are', async () => {
  const options = { memory: { hugepages: '4K' as never } };
  expect(await rejectionOf(openVirtioUser({ path }, options))).toMatchObject({
    code: 'VIO_OPTION_VALUE',
    message: 'openVirtioUser cannot have memory.hugepages: "4K"',
    remedy: "give 'auto', 'none', '2M' or '1G'",
  });
});

describe('a controlQueue that there is not', () => {
  it('(the word of before) is an error that names the one of now', async () => {
    const options = { controlQueue: 'backend' as never };
    expect(await rejectionOf(openVirtioUser({ path }, options))).toMatchObject({
      code: 'VIO_OPTION_VALUE',
      message: 'openVirtioUser cannot have controlQueue: "backend"',
      remedy: "give 'device', as 'backend' is called now",
    });
  });

  it('(any other) is an error that names those that there are', async () => {
    expect(await rejectionOf(openVirtioUser({ path }, { controlQueue: 1 as never }))).toMatchObject({
      code: 'VIO_OPTION_VALUE',
      remedy: "give 'device', 'emulated', true or false",
    });
  });
});
