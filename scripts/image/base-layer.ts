import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { NODE, ROOT } from '../setup.mjs';
import { stripExecutable } from './elf.ts';
import type { Component } from './sbom.ts';
import type { Entry } from './tar.ts';

/** Part of an image: files, and what the bill of materials says about them. */
export interface Layer {
  readonly entries: readonly Entry[];
  readonly components: readonly Component[];
}

/** User and group of the image; the number that distroless images use for `nonroot`. */
export const IMAGE_UID = 65_532;
export const DATA_DIRECTORY = '/var/lib/plimsoll';

/** Node.js, the shared libraries of this machine that it is linked with, and the files that a process expects. */
export function createBaseLayer(architecture: string): Layer {
  const libraries = sharedLibraries();
  const packages = [...new Set(libraries.map(({ file }) => owningPackage(file)))].map(debianPackage);
  const release = readFileSync('/etc/os-release', 'utf8');
  const distribution = /^ID="?(\w+)/m.exec(release)?.[1] ?? 'debian';
  const nodePackage = join(ROOT, 'node_modules/node/node_modules', `node-linux-${process.arch}`);
  return {
    entries: [
      file('/usr/bin/node', stripExecutable(readFileSync(NODE)), 0o755),
      file('/usr/share/doc/node/copyright', readFileSync(join(nodePackage, 'LICENSE'))),
      ...libraries.map(({ path, file: source }) => file(path, readFileSync(source), 0o755)),
      ...packages.flatMap(({ name, status }) => [
        file(`/usr/share/doc/${name}/copyright`, readFileSync(`/usr/share/doc/${name}/copyright`)),
        // Where image scanners look for Debian packages in images without dpkg.
        file(`/var/lib/dpkg/status.d/${name}`, status),
      ]),
      file('/etc/os-release', release),
      file('/etc/passwd', `root:x:0:0:root:/:/none\nplimsoll:x:${IMAGE_UID}:${IMAGE_UID}::${DATA_DIRECTORY}:/none\n`),
      file('/etc/group', `root:x:0:\nplimsoll:x:${IMAGE_UID}:\n`),
      file('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'),
      // The list of Mozilla that Node.js brings; the list of this machine may hold further authorities.
      file('/etc/ssl/certs/ca-certificates.crt', `${rootCertificates.join('\n')}\n`),
      // Without it, the umask of the runtime decides whether other users than root can enter.
      { path: '/', type: 'directory', mode: 0o755 },
      { path: '/tmp', type: 'directory', mode: 0o1777 },
      { path: DATA_DIRECTORY, type: 'directory', mode: 0o700, owner: IMAGE_UID },
    ],
    components: [
      {
        type: 'application',
        name: 'node',
        version: process.versions.node,
        licenses: ['MIT'],
        purl: `pkg:generic/node@${process.versions.node}`,
      },
      ...packages.map(({ name, version }) => ({
        type: 'library' as const,
        name,
        version,
        licenses: [],
        purl: `pkg:deb/${distribution}/${name}@${encodeURIComponent(version)}?arch=${architecture}`,
      })),
    ],
  };
}

/** A file of the image that belongs to root. */
export function file(path: string, content: Buffer | string, mode = 0o644): Entry {
  return { path, type: 'file', mode, content: Buffer.from(content) };
}

/** The dynamic linker and the libraries that Node.js is linked with: path in the image and file on this machine. */
function sharedLibraries(): readonly { readonly path: string; readonly file: string }[] {
  const output = execFileSync('ldd', [NODE], { encoding: 'utf8' });
  if (output.includes('not found')) throw new Error(`libraries of ${NODE} are missing on this machine:\n${output}`);
  const paths = [...output.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, path = '']) => path);
  return paths.map((path) => ({ path, file: realpathSync(path) }));
}

function owningPackage(path: string): string {
  const owner = dpkg(['-S', path]);
  return owner.slice(0, owner.indexOf(':'));
}

function debianPackage(name: string): { readonly name: string; readonly version: string; readonly status: string } {
  const fields = ['Package', 'Status', 'Architecture', 'Version', 'Maintainer', 'Source', 'Description'];
  const format = fields.map((field) => `${field}: \${${field}}\n`).join('');
  return { name, version: dpkg(['-W', '-f', '${Version}', name]), status: dpkg(['-W', '-f', format, name]) };
}

function dpkg(args: readonly string[]): string {
  try {
    return execFileSync('dpkg-query', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    throw new Error(`dpkg-query ${args.join(' ')} failed; the image is built on Debian or Ubuntu`, { cause });
  }
}
