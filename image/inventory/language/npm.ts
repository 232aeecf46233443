import type { Detected, Detector } from '../detector.ts';
import type { FileTree, TreeFile } from '../file-tree.ts';
import { detection, isName, NO_PACKAGES, onlyGap } from './detection.ts';
import { baseName, directoryOf, field, joinPath, readJson, readText } from './manifest-content.ts';
import { packageLockEntries, pnpmLockEntries, yarnLockEntries } from './npm-lock-files.ts';
import type { LockFile } from './npm-lock-files.ts';

/** Real manifests are below 1 MiB, real lock files below 10 MiB. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_LOCK_BYTES = 32 * 1024 * 1024;

/** `node_modules/NAME/package.json` and `node_modules/@SCOPE/NAME/package.json`, at any depth. */
const INSTALLED = /\/node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/;

const LOCK_FILES: Readonly<Record<string, 'npm' | 'yarn' | 'pnpm'>> = {
  'package-lock.json': 'npm',
  'npm-shrinkwrap.json': 'npm',
  'yarn.lock': 'yarn',
  'pnpm-lock.yaml': 'pnpm',
};

/**
 * Packages of npm, Yarn and pnpm. Installed are the directories of `node_modules`. Outside of them, a `package.json`
 * counts where it names a repository and is not private, as a published program that was unpacked does; the manifest of
 * an application that was never published has a name that its author chose freely. A lock file counts where no
 * installed package lies beside it, without development dependencies.
 */
export const npm: Detector = {
  name: 'npm',
  matches: ({ path }) => {
    if (path.endsWith('/package.json')) return !path.includes('/node_modules/') || INSTALLED.test(path);
    const name = baseName(path);
    return Object.hasOwn(LOCK_FILES, name) && !path.includes('/node_modules/');
  },
  layouts: [
    [/^node_modules$/, /^[^@.]/, /^package\.json$/],
    [/^node_modules$/, /^@/, /^[^@.]/, /^package\.json$/],
    [/^(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml)$/],
  ],
  detect: (file, tree) => (file.path.endsWith('/package.json') ? readManifest(file) : readLock(file, tree)),
};

function readManifest(file: TreeFile): Detected {
  const installed = INSTALLED.test(file.path);
  const content = readJson(file, MAX_MANIFEST_BYTES);
  if (!content.ok) return installed ? onlyGap(file, content.reason) : NO_PACKAGES;
  const manifest = content.value;
  const published = field(manifest, 'private') !== true && field(manifest, 'repository') !== undefined;
  const name = field(manifest, 'name');
  const version = field(manifest, 'version');
  if (!installed && (!published || !isName(name) || version === undefined)) return NO_PACKAGES;
  const found = detection('npm', file);
  found.add(name, cleanVersion(version));
  return found.result();
}

function readLock(file: TreeFile, tree: FileTree): Detected {
  const kind = LOCK_FILES[baseName(file.path)];
  if (kind === undefined || hasInstalledPackages(tree, directoryOf(file.path))) return NO_PACKAGES;
  const text = readText(file, MAX_LOCK_BYTES);
  if (!text.ok) return onlyGap(file, text.reason);
  const parsed = parseLock(kind, text.value);
  if (!parsed.ok) return onlyGap(file, parsed.reason);
  const found = detection('npm', file);
  for (const { name, version } of parsed.entries) found.add(name, cleanVersion(version));
  return found.result();
}

function parseLock(kind: 'npm' | 'yarn' | 'pnpm', text: string): LockFile {
  switch (kind) {
    case 'npm':
      return packageLockEntries(text);
    case 'yarn':
      return yarnLockEntries(text);
    case 'pnpm':
      return pnpmLockEntries(text);
  }
}

/** An empty `node_modules`, or one with caches only, installs nothing. */
function hasInstalledPackages(tree: FileTree, directory: string): boolean {
  return tree.list(joinPath(directory, 'node_modules')).some((name) => !name.startsWith('.') || name === '.pnpm');
}

/** npm itself reads ` =v1.2.3` as `1.2.3`. */
function cleanVersion(version: unknown): unknown {
  return typeof version === 'string' && version.length < 300 ? version.trim().replace(/^=?v?(?=\d)/, '') : version;
}
