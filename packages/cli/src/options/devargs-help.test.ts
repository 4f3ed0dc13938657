import { parseVirtioUserConfig } from '@vio/virtio-user/internal';
import { expect, it } from 'vitest';
import { devargsHelp } from './devargs-help.ts';

it('has every devarg of a port with its default, and no other', () => {
  const { backend: _, ...config } = parseVirtioUserConfig({ path: '/tmp/vio-nobody-has-this.sock' });
  const told = new Map(
    Array.from(devargsHelp.matchAll(/^ {2}(\w+)=(\S+)/gm), ([, key, value]) => [key, value]),
  );
  expect([...told.keys()].toSorted()).toEqual(Object.keys(config).toSorted());
  const defaults = Object.entries(config).flatMap(([key, value]) =>
    typeof value === 'boolean' || typeof value === 'number' ? [[key, String(Number(value))]] : [],
  );
  expect(Object.fromEntries(told)).toMatchObject(Object.fromEntries(defaults) as object);
});
