// Whether a package has to be bundled again. `npm start` bundles what it runs every time, and mostly nothing has changed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { root } from '../workspace.mjs';
import { inside } from './inside.mjs';

/**
 * @param {string} directory absolute, of a package
 * @param {string} workspace it is in
 * @param {Map<string, Buffer>} seen of sources, what was read of them for another package just now
 * @returns {boolean} false when its files are what its sources became last time
 */
export function isStale(directory, workspace = root, seen = new Map()) {
  const file = stampOf(directory, workspace);
  if (!existsSync(file)) return true;
  const { sources, paths, outputs } = JSON.parse(readFileSync(file, 'utf8'));
  return sources !== sourcesOf(directory, workspace, seen) || outputs !== hashOf(directory, paths);
}

/** @param {string[]} paths what was written, in the package */
export function writeStamp(directory, paths, workspace = root) {
  const outputs = hashOf(directory, paths);
  const file = stampOf(directory, workspace);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ sources: sourcesOf(directory, workspace), paths, outputs }));
}

const stampOf = (directory, workspace) =>
  join(workspace, 'node_modules/.cache/vio-bundle', `${basename(directory)}.json`);

/** Of the package, of what bundles it, of siblings that have parts (their names decide which is imported), and of all versions. */
function sourcesOf(directory, workspace, seen) {
  const packages = readdirSync(join(workspace, 'packages')).map((name) => join(workspace, 'packages', name));
  const manifests = packages.map((each) => join(each, 'package.json')).filter(existsSync);
  const withParts = manifests
    .filter((file) => isTakenApart(readFileSync(file, 'utf8')))
    .map((file) => join(dirname(file), 'src'));
  const own = [join(directory, 'src'), join(directory, 'scripts'), join(workspace, 'scripts')];
  const folders = [...new Set([...own, ...withParts])].filter(existsSync);
  return hash([...folders.flatMap(filesBelow), ...manifests, join(workspace, 'pnpm-lock.yaml')], seen);
}

/** Whether others import parts of a package, or have some of it in theirs. @param {string} manifest */
const isTakenApart = (manifest) =>
  manifest.includes('"./internal/') ||
  [...inside].some((part) => manifest.includes(`"name": "${part.split('/').slice(0, 2).join('/')}"`));

function filesBelow(directory) {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.filter((file) => !file.slice(directory.length).includes('/node_modules/'));
}

const hashOf = (directory, paths) => hash(paths.map((path) => join(directory, path)));

function hash(files, seen = new Map()) {
  const all = createHash('sha256');
  for (const file of files.toSorted()) {
    if (!seen.has(file)) seen.set(file, digestOf(file));
    all.update(file).update(seen.get(file));
  }
  return all.digest('hex');
}

function digestOf(file) {
  return existsSync(file) ? createHash('sha256').update(readFileSync(file)).digest() : '';
}
