// Whatever opens a port takes the options that ports take, and reads devargs in one way.
import { openPort } from '@vio/net';
import { commonOptionNames } from '@vio/net/internal';
import { openPciPort } from '@vio/pci-driver';
import { rejectionOf } from '@vio/test-support';
import { openVirtioUser } from '@vio/virtio-user';
import { LoopbackDevice } from '@vio-examples/own-transport';
import { describe, expect, it } from 'vitest';

const user = (devargs: string): Promise<unknown> =>
  openVirtioUser(`path=/tmp/vio-nobody-has-this.sock${devargs}`);
const card = (devargs: string): Promise<unknown> => openPciPort(`0000:ff:1f.7${devargs}`);

/** There is no device behind any of them: options and devargs are looked at first. */
const openers: [string, (options: object) => Promise<unknown>][] = [
  ['openVirtioUser', (options) => openVirtioUser('path=/tmp/vio-nobody-has-this.sock', options)],
  ['openPciPort', (options) => openPciPort('0000:ff:1f.7', options)],
];

describe.each([
  ...openers,
  ['openPort', (options: object): Promise<unknown> => openPort(new LoopbackDevice(), options)] as const,
])('%s', (name, open) => {
  it('takes every option that ports take', async () => {
    const { code, remedy } = await rejectionOf(open({ nothing: true }));
    expect(code).toBe('VIO_OPTION_UNKNOWN');
    expect(Object.keys(commonOptionNames).filter((option) => !remedy.includes(` ${option}`))).toEqual([]);
  });

  it.each([
    ['an option', { nothing: true }, `${name} has no option "nothing"`],
    ['a part of vlan', { vlan: { stripp: true } }, 'vlan has no option "stripp"'],
    ['a part of memory', { memory: { hugePages: '2M' } }, 'memory has no option "hugePages"'],
    ['an offload', { offloads: { checksum: true } }, 'offloads has no option "checksum"'],
  ])('refuses %s that there is not', async (_, options, message) => {
    expect(await rejectionOf(open(options))).toMatchObject({ code: 'VIO_OPTION_UNKNOWN', message });
  });
});

/** A device that says whether it was closed. */
class ClosedDevice extends LoopbackDevice {
  closed = false;

  override close(): void {
    super.close();
    this.closed = true;
  }
}

it('openPort closes the device of a port that is refused', async () => {
  const device = new ClosedDevice();
  const options: object = { reconnect: { connect: () => Promise.resolve(device), retries: 1 } };
  expect((await rejectionOf(openPort(device, options))).message).toBe('reconnect has no option "retries"');
  expect(device.closed).toBe(true);
});

describe('a devarg', () => {
  it.each([
    ...['1e4', '10000.0', '+10000', '-1', '0b10', '0x', 'ten', '1000', ' 10000 0', ''].map(
      (v) => `speed=${v}`,
    ),
    ...['2', '01', 'yes', 'true', '0x1', ''].map((v) => `vectorized=${v}`),
  ])('%s is refused of every device, in the same words', async (devarg) => {
    const refused = await rejectionOf(user(`,${devarg}`));
    expect(refused).toMatchObject({
      code: 'VIO_DEVARGS_VALUE',
      message: `the devarg ${devarg} is out of range`,
    });
    const { code, message, remedy } = refused;
    expect(await rejectionOf(card(`,${devarg}`))).toMatchObject({ code, message, remedy });
  });

  it.each([
    ['speed', 'VIO_DEVARGS_SYNTAX'],
    ['=1', 'VIO_DEVARGS_SYNTAX'],
    ['', 'VIO_DEVARGS_SYNTAX'],
    ['speed=10000,speed=10000', 'VIO_DEVARGS_TWICE'],
  ])('"%s" is refused of every device: %s', async (devarg, code) => {
    const { message, remedy } = await rejectionOf(user(`,${devarg}`));
    expect(await rejectionOf(card(`,${devarg}`))).toMatchObject({ code, message, remedy });
  });

  it.each([
    'speed=10000',
    'speed=0x2710',
    'speed=0XC350',
    'speed=4294967295',
    'vectorized=1',
    'vectorized=0',
  ])('%s is taken of every device, which is then looked for', async (devarg) => {
    expect((await rejectionOf(user(`,${devarg}`))).code).toBe('VIO_SOCKET_MISSING');
    expect((await rejectionOf(card(`,${devarg}`))).code).toMatch(/^VIO_PCI_/);
  });
});
