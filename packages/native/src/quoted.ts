/** Characters kept of a text that somebody else chose. */
const mostCharacters = 200;

/** What moves the cursor, hides or reorders text, or ends a line: controls, formats, separators, half surrogates. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}"\\]/gu;

/**
 * Text that somebody else chose, to stand in a message or a log: what is not printable as escapes, and not longer than a
 * line. So it cannot end the line, forge another one or talk to the terminal. Plain names stay as they are.
 */
export function printable(text: string): string {
  const kept = text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text;
  return kept.replaceAll(unprintable, escape);
}

/** The same in quotes, where it would be taken for a part of the sentence otherwise. */
export function quoted(text: string): string {
  return `"${printable(text)}"`;
}

function escape(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
