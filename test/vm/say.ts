/** How a program of a test tells whoever has started it what happens: a line of JSON each time. */
export function teller<Said extends object>(): (said: Said) => boolean {
  return (said) => process.stdout.write(`${JSON.stringify(said)}\n`);
}
