import { describe, expect, it } from 'vitest';
import { parsePciDevargs } from './devargs.ts';
import { openPciPort } from './open-pci-port.ts';

describe('devargs of a PCI port', () => {
  it('complete the address, and the rest with the defaults', () => {
    expect(parsePciDevargs('00:04.0')).toEqual({
      address: '0000:00:04.0',
      speed: undefined,
      vectorized: false,
      vdpa: false,
    });
  });

  it('take speed, vectorized and vdpa', () => {
    expect(parsePciDevargs('0000:5E:00.1,speed=25000,vectorized=1,vdpa=0')).toEqual({
      address: '0000:5e:00.1',
      speed: 25000,
      vectorized: true,
      vdpa: false,
    });
  });

  it('keep a device for vDPA, which has no port', async () => {
    expect(parsePciDevargs('00:04.0,vdpa=1')).toMatchObject({ address: '0000:00:04.0', vdpa: true });
    await expect(openPciPort('00:04.0,vdpa=1')).rejects.toMatchObject({
      code: 'VIO_PCI_VDPA',
      remedy: expect.stringContaining('--vdpa 0000:00:04.0') as string,
    });
  });

  it.each([
    ['eth0', 'VIO_PCI_ADDRESS'],
    ['0000:00:04.9', 'VIO_PCI_ADDRESS'],
    ['00:04.0,speed=1', 'VIO_DEVARGS_VALUE'],
    ['00:04.0,vectorized=yes', 'VIO_DEVARGS_VALUE'],
    ['00:04.0,queues=2', 'VIO_DEVARGS_UNKNOWN_KEY'],
    ['00:04.0,vdpa=0,vdpa=0', 'VIO_DEVARGS_TWICE'],
    ['00:04.0,vdpa=2', 'VIO_DEVARGS_VALUE'],
  ])('%s is refused: %s', (devargs, code) => {
    expect(() => parsePciDevargs(devargs)).toThrow(expect.objectContaining({ code }));
  });
});
