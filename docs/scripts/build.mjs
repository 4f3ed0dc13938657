// Builds the documentation site into docs/out: the repository's Markdown, the reference of every public name, every error
// code. One generator does it all, so that they link to each other and one search finds them.
//
//   node docs/scripts/build.mjs     exit code 1 on any warning: a name that is not public in a public signature, a dead link
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import {
  Application,
  Converter,
  DocumentReflection,
  LogLevel,
  MinimalSourceFile,
  normalizePath,
} from 'typedoc';
import { errorCodePage } from './error-code-page.mjs';
import { apiEntries, errorCodesFile, pages, readPage, root } from './pages.mjs';

const { homepage } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const repository = homepage.replace('#readme', '');
const api = apiEntries();

const app = await Application.bootstrap({
  name: 'vio',
  includeVersion: true,
  tsconfig: join(root, 'docs/tsconfig.json'),
  entryPoints: api.map(({ source }) => source),
  basePath: root,
  readme: 'none',
  out: join(root, 'docs/out'),
  customCss: join(root, 'docs/theme/site.css'),
  customJs: join(root, 'docs/theme/site.js'),
  favicon: join(root, 'docs/theme/favicon.svg'),
  disableGit: true,
  gitRevision: 'main',
  sourceLinkTemplate: `${repository}/blob/{gitRevision}/{path}#L{line}`,
  navigationLinks: { GitHub: repository, npm: 'https://www.npmjs.com/package/@vio/virtio-user' },
  navigation: { includeCategories: false, includeGroups: true, includeFolders: false },
  groupOrder: ['Guides', 'Modules', 'Reference', 'Examples', 'Project', '*'],
  sort: ['source-order'],
  sortEntryPoints: false,
  headings: { readme: true, document: true },
  searchInDocuments: true,
  searchInComments: true,
  excludeInternal: true,
  hideGenerator: true,
  skipErrorChecking: true,
  logLevel: process.argv.includes('--verbose') ? LogLevel.Verbose : LogLevel.Warn,
  validation: { invalidLink: true, invalidPath: true, notExported: true, notDocumented: false },
});

/** What a link of Markdown may lead to, by absolute path: a page of the site. */
const targets = new Map();

app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project, programs }) => {
  const sources = [];
  const add = (reflection, file, text, take) => sources.push({ reflection, file, text, take });
  const addPage = (group, file, { title, text }) => {
    const page = new DocumentReflection(title, project, [], { group });
    project.addChild(page);
    project.registerReflection(page, undefined, normalizePath(join(root, file)));
    add(page, file, text, (content) => (page.content = content));
  };
  for (const [group, files] of Object.entries(pages)) {
    for (const file of files) {
      addPage(group, file, file === errorCodesFile ? errorCodePage(programs[0]) : readPage(file));
    }
  }
  for (const { name, readme } of api) {
    if (readme === null) continue;
    const module = project.getChildByName([name]);
    add(module, readme, readPage(readme).text, (content) => (module.readme = content));
  }
  add(project, 'README.md', readPage('README.md').text, (content) => (project.readme = content));

  // All pages are known before the first link is looked at.
  for (const { reflection, file } of sources) {
    const path = join(root, file);
    for (const target of file.endsWith('README.md') ? [path, dirname(path)] : [path]) {
      targets.set(target, reflection);
      project.files.registerReflectionPath(normalizePath(target), reflection);
    }
  }
  for (const { file, text, take } of sources) {
    const source = new MinimalSourceFile(withLinks(file, text), normalizePath(join(root, file)));
    take(app.converter.parseRawComment(source, project.files).content);
  }
});

/** Links of a file that lead to no page of the site nor to a picture lead into the repository. */
function withLinks(file, text) {
  return text.replaceAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g, (link, path) => {
    const target = resolve(dirname(join(root, file)), path);
    if (targets.has(target) || path.endsWith('.svg')) return link;
    if (!existsSync(target)) throw new Error(`${file} links to ${path}, which does not exist`);
    const kind = statSync(target).isDirectory() ? 'tree' : 'blob';
    return `](${repository}/${kind}/main/${relative(root, target)}`;
  });
}

const entryPoints = app.getEntryPoints();
if (entryPoints === undefined) process.exit(1);
const names = new Map(api.map(({ name, source }) => [source, name]));
for (const entry of entryPoints) entry.displayName = names.get(entry.sourceFile.fileName);
const project = app.converter.convert(entryPoints);
app.validate(project);
if (!app.logger.hasErrors()) await app.generateDocs(project, join(root, 'docs/out'));
const { errorCount, warningCount } = app.logger;
if (errorCount + warningCount > 0) {
  console.error(`${errorCount} errors, ${warningCount} warnings`);
  process.exitCode = 1;
} else console.log('docs/out/index.html');
