import { readFileSync } from 'node:fs';

export interface CodeBlock {
  readonly language: string;
  readonly code: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
}

/** The fenced blocks of a Markdown file. */
export function codeBlocks(file: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [i, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    const fence = /^```(\w*)/.exec(text);
    if (open === undefined && fence !== null) {
      open = { language: fence[1] ?? '', line: i + 1, lines: [] };
    } else if (open !== undefined && fence !== null) {
      blocks.push({ language: open.language, line: open.line, code: open.lines.join('\n') });
      open = undefined;
    } else open?.lines.push(text);
  }
  return blocks;
}
