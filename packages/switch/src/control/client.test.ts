import { defaultTimeout } from '@vio/native/internal';
import { expect, it } from 'vitest';
import * as client from './client.ts';

it('a client waits as long as everything else does', () => {
  expect(client.defaultTimeout).toBe(defaultTimeout);
});
