// `vio devbind` on the guest's own PCI bus. The bundle of this program holds the command as well.
import { spawnSync } from 'node:child_process';
import { describeDevice } from '@vio/pci-driver';
import { ip } from '../commands.ts';
import { giveBack, interfaceOf } from './wire.ts';

/** @returns what the command said and did with a card that is in use at first */
export function devbind(card: string, driver: string): object {
  const run = (...args: string[]) => {
    const { status, stdout } = spawnSync(
      process.execPath,
      [process.argv[1], 'vio', 'devbind', ...args, '--json'],
      { encoding: 'utf8' },
    );
    return {
      exitCode: status,
      said: stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown),
      driver: describeDevice(card)?.driver ?? null,
    };
  };
  const name = interfaceOf(card);
  ip([`addr add 10.5.0.1/24 dev ${name}`, `link set ${name} up`]);
  const inUse = run('--bind', driver, card);
  const forced = run('--bind', driver, card, '--force');
  const used = {
    doctor: spawnSync(process.execPath, [process.argv[1], 'vio', 'doctor', card], { encoding: 'utf8' })
      .stdout,
    inspect: spawnSync(process.execPath, [process.argv[1], 'vio', 'inspect', card], { encoding: 'utf8' })
      .stdout,
    run: spawnSync(process.execPath, [process.argv[1], 'vio', 'run', card, '--duration', '0.2'], {
      encoding: 'utf8',
    }).status,
  };
  return { inUse, forced, used, givenBack: giveBack(card) };
}
