import { InvalidArgumentError } from 'commander';
import { mostFrame, mostSegments } from '../forward/frame-limits.ts';
import { type HttpAddress, parseHttpAddress } from '@vio/net/internal/http';

/** Parsers of option values, for commander: what is out of range is wrong usage. */
export function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`Allowed: ${min} to ${max}.`);
    }
    return value;
  };
}

export function integer(min: number, max: number): (text: string) => number {
  const parse = number(min, max);
  return (text) => {
    const value = parse(text);
    if (!Number.isInteger(value)) throw new InvalidArgumentError(`Allowed: ${min} to ${max}, whole numbers.`);
    return value;
  };
}

export function metricsAddress(text: string): HttpAddress {
  const address = parseHttpAddress(text);
  if (address === undefined)
    throw new InvalidArgumentError('Allowed: PORT, HOST:PORT, [IPV6]:PORT, /path/of.sock.');
  return address;
}

/** CPUs, as in `0,2-3`; groups as in `0@1` name the CPU behind the @. */
export function cpuList(text: string): number[] {
  const cpus = text.split(',').flatMap((part) => {
    const [, first, last] = /^(?:\d+@)?(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (first === undefined) throw new InvalidArgumentError('Allowed: numbers of CPUs, as in 0,2-3.');
    const from = Number(first);
    const to = Number(last ?? first);
    if (to < from || to > mostCpu) throw new InvalidArgumentError('Allowed: numbers of CPUs, as in 0,2-3.');
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  return [...new Set(cpus)];
}

/** The largest number of a CPU. */
const mostCpu = 4095;

/** Bytes of a frame, or of each of its segments. */
export function segmentList(text: string): number[] {
  const segments = text.split(',').map(Number);
  const bytes = segments.reduce((all, one) => all + one, 0);
  const whole = segments.every((each) => Number.isInteger(each) && each > 0);
  if (text.trim() === '' || !whole || segments.length > mostSegments || bytes < 60 || bytes > mostFrame)
    throw new InvalidArgumentError('Allowed: 60 to 9728, whole numbers; with several, their sum.');
  return segments;
}
