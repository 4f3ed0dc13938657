/**
 * Devargs as somebody may have written them: a bare path, `/tmp/vhost.sock,queues=2`, stands for `path=/tmp/vhost.sock,queues=2`.
 */
export function completedDevargs(text: string): string {
  const [first = ''] = text.split(',');
  return /^\.{0,2}\//.test(first) && !first.includes('=') ? `path=${text}` : text;
}

/** Devargs in which a key has this value, whatever they said before. */
export function withDevarg(text: string, key: string, value: string | number): string {
  const others = text.split(',').filter((part) => !part.trim().startsWith(`${key}=`));
  return [...others, `${key}=${value}`].join(',');
}
