import { describe, expect, it } from 'vitest';
import { codeOfCall } from '@vio/test-support';
import { type TapOptions, checkTapOptions } from './tap-options.ts';

/** As JavaScript lets one write. */
const misspelt: object = { name: 'tap0', queue: 2 };

const codeOfOptions = (options: TapOptions): string => codeOfCall(() => checkTapOptions(options));

describe('options of a tap', () => {
  it.each<TapOptions>([
    {},
    { name: 'tap%d' },
    { name: 'fifteen-letters' },
    { queues: 1 },
    { queues: 256 },
    { mac: '02:00:00:00:00:01' },
    { mac: 'AA:BB:CC:DD:EE:0F' },
  ])('%j are right', (options) => {
    expect(codeOfOptions(options)).toBe('no error');
  });

  it.each<[TapOptions, string]>([
    [misspelt, 'VIO_OPTION_UNKNOWN'],
    [{ name: '' }, 'VIO_TAP_NAME'],
    [{ name: 'sixteen-letters!' }, 'VIO_TAP_NAME'],
    [{ name: 'eight-äöü-äöüß' }, 'VIO_TAP_NAME'],
    [{ name: 'a b' }, 'VIO_TAP_NAME'],
    [{ name: 'a/b' }, 'VIO_TAP_NAME'],
    [{ name: 'a:b' }, 'VIO_TAP_NAME'],
    [{ name: '.' }, 'VIO_TAP_NAME'],
    [{ name: '..' }, 'VIO_TAP_NAME'],
    [{ queues: 0 }, 'VIO_TAP_QUEUES'],
    [{ queues: 257 }, 'VIO_TAP_QUEUES'],
    [{ queues: 1.5 }, 'VIO_TAP_QUEUES'],
    [{ mac: '02:00:00:00:00' }, 'VIO_INTERFACE_MAC'],
    [{ mac: '02:00:00:00:00:0g' }, 'VIO_INTERFACE_MAC'],
  ])('%j are refused with %s', (options, code) => {
    expect(codeOfOptions(options)).toBe(code);
  });
});
