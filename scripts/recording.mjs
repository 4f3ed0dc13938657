// Records a run of `npm start` as a picture that moves: docs/start.svg, lines with the times at which they came.
//
//   node scripts/recording.mjs
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './workspace.mjs';

const command = '$ npm start';
/** Each line with the second in which it came. */
const lines = [[0, command]];
const child = spawn(process.execPath, ['scripts/start.mjs'], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'pipe'],
});
const begin = performance.now();
let rest = '';
for (const stream of [child.stdout, child.stderr]) {
  stream.setEncoding('utf8').on('data', (text) => {
    const whole = (rest + text).split('\n');
    rest = whole.pop();
    for (const line of whole) lines.push([(performance.now() - begin) / 1000, line]);
  });
}
const code = await new Promise((resolve) => {
  child.on('close', resolve);
});
if (code !== 0) throw new Error(`npm start ended with exit code ${code}`);

/** Lines longer than the picture go on below. */
const columns = 108;
const shown = lines.flatMap(([second, line]) => {
  const parts = [];
  for (let left = line; ;) {
    const at = left.length <= columns ? left.length : Math.max(left.lastIndexOf(' ', columns), columns / 2);
    parts.push([second, left.slice(0, at)]);
    left = left.slice(at).trimStart();
    if (left === '') return parts;
  }
});

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const height = 60 + shown.length * 19;
const rows = shown.map(
  ([second, line], i) =>
    `  <text x="22" y="${58 + i * 19}" style="animation-delay:${(second + 0.5).toFixed(2)}s">${escaped(line).replaceAll(' ', '\u00a0')}</text>`,
);
writeFileSync(
  join(root, 'docs/start.svg'),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 ${height}" role="img" aria-label="A run of npm start, recorded">
  <style>
    text { font: 13px ui-monospace, SFMono-Regular, Menlo, monospace; fill: #e6edf3; animation: appear 0.01s both; }
    @keyframes appear { from { opacity: 0; } to { opacity: 1; } }
    @media (prefers-reduced-motion: reduce) { text { animation: none; } }
  </style>
  <rect width="900" height="${height}" rx="10" fill="#0d1117"/>
  <circle cx="24" cy="22" r="6" fill="#ff5f57"/><circle cx="44" cy="22" r="6" fill="#febc2e"/><circle cx="64" cy="22" r="6" fill="#28c840"/>
${rows.join('\n')}
</svg>
`,
);
