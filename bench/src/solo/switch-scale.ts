// How the cost of a switch grows with its ports and the addresses behind them; every measurement is a process of its own, with a
// host on every port in it.
import { runUnlimited } from './scale.ts';

export interface SwitchScale {
  readonly ports: number;
  /** Stations, spread evenly over the ports. */
  readonly addresses: number;
  /** CPU time for each port, its host included. */
  readonly openMilliseconds: number;
  /** Addresses that the switch knew when all had spoken. */
  readonly learned: number;
  /** CPU time for each frame from one host to another: both hosts, and the switch. */
  readonly nanoseconds: number;
  /** Of frames, those that went to all ports. */
  readonly floodedPercent: number;
}

export function switchScales(): SwitchScale[] {
  const sizes: readonly (readonly [ports: number, addresses: number])[] = [
    [2, 100],
    [16, 1000],
    [64, 10_000],
    [256, 100_000],
  ];
  return sizes.map((size) => runUnlimited('switch-process.js', size) as SwitchScale);
}
