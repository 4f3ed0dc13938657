/** How a program of a test tells whoever has started it what happens: a line of JSON each time. */
export function tell(said: object): boolean {
  return process.stdout.write(`${JSON.stringify(said)}\n`);
}
