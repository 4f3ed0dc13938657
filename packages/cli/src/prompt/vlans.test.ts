import { describe, expect, it } from 'vitest';
import { changeVlans } from './vlans.ts';

/** A control queue that knows which VLANs it was told, and refuses one. */
class ToldVlans {
  readonly told: string[] = [];
  readonly #refused: number;

  constructor(refused = -1) {
    this.#refused = refused;
  }

  addVlan(id: number): Promise<void> {
    return this.#tell(`add ${id}`, id);
  }

  removeVlan(id: number): Promise<void> {
    return this.#tell(`rm ${id}`, id);
  }

  #tell(command: string, id: number): Promise<void> {
    if (id === this.#refused) return Promise.reject(new Error('refused'));
    this.told.push(command);
    return Promise.resolve();
  }
}

const everyId = Array.from({ length: 4096 }, (_, id) => id);

describe('rx_vlan', () => {
  it('tells the device one VLAN', async () => {
    const control = new ToldVlans();
    const received = new Set([5]);
    await changeVlans(control, 'add', '0x7', received, {});
    await changeVlans(control, 'rm', '5', received, {});
    expect([control.told, [...received]]).toEqual([['add 7', 'rm 5'], [7]]);
  });

  it('tells it each of all, from 0 to 4095, once', async () => {
    const control = new ToldVlans();
    const received = new Set([5]);
    await changeVlans(control, 'add', 'all', received, {});
    expect([control.told, received.size]).toEqual([everyId.map((id) => `add ${id}`), 4096]);
    control.told.length = 0;
    await changeVlans(control, 'rm', 'all', received, {});
    expect([control.told, received.size]).toEqual([everyId.map((id) => `rm ${id}`), 0]);
  });

  it('stops at the first that is refused, and knows those before it', async () => {
    const control = new ToldVlans(3);
    const received = new Set<number>();
    await expect(changeVlans(control, 'add', 'all', received, {})).rejects.toThrow('refused');
    expect([...received]).toEqual([0, 1, 2]);
  });
});
