// The page of error codes: by package and code, each place where it is made.
import { errorCodes } from './error-codes.mjs';

const preface = `Every error of vio is a \`VioError\`: \`code\` is what a program looks at, and stays as it is from release to release; \`message\`
says what happened, \`remedy\` what to do about it, \`retryable\` whether the same call may succeed later, and \`cause\` what is behind it.
Words in italics are said by the error itself. This page is made from the sources, one entry for each place where an error is made.

`;

/** @param {import('typescript').Program} program @returns {{ title: string, text: string }} the page of all codes, as Markdown */
export function errorCodePage(program) {
  const causes = errorCodes(program);
  const packages = [...new Set(causes.map(({ file }) => file.split('/')[1]))];
  const sections = packages.map((name) => {
    const ours = causes.filter(({ file }) => file.split('/')[1] === name);
    const codes = [...new Set(ours.map(({ code }) => code))].toSorted();
    return `## @vio/${name}\n\n${codes.map((code) => codeSection(code, ours)).join('\n')}`;
  });
  return { title: 'Error codes', text: preface + sections.join('\n') };
}

function codeSection(code, causes) {
  const places = causes.filter((cause) => cause.code === code);
  const items = places.map(({ message, remedy, retryable }) => {
    const again = retryable ? ' Trying again may be enough.' : '';
    return `- ${message}\n\n  **Remedy:** ${remedy.replace(/\.$/, '')}.${again}\n`;
  });
  // No code in the heading: the generator makes its anchor, and its line of the contents, of plain text alone.
  return `### ${code.replaceAll('<', '&lt;')}\n\n${items.join('\n')}`;
}
