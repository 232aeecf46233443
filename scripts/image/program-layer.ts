import { build } from 'esbuild';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildProgram } from '../build.mjs';
import { BUNDLE_OPTIONS } from '../bundle-options.mjs';
import { ROOT } from '../setup.mjs';
import { file } from './base-layer.ts';
import type { Layer } from './base-layer.ts';
import type { Component } from './sbom.ts';
import type { Entry } from './tar.ts';

const PROGRAM = '/opt/plimsoll';

/** The bundle, the packages that are loaded beside it, and the licences of all. Bundles into `workDirectory`. */
export async function createProgramLayer(workDirectory: string): Promise<Layer> {
  const dist = join(workDirectory, 'dist');
  const bundled = await buildProgram(dist);
  const external = await tracePackages(BUNDLE_OPTIONS.external?.filter((name) => !name.includes('*')) ?? []);
  const packages = packagesOf([...bundled, ...external]);
  const launcher = readFileSync(join(ROOT, 'bin/plimsoll.js'), 'utf8');
  return {
    entries: [
      // The image has no env(1).
      file(`${PROGRAM}/bin/plimsoll.js`, launcher.replace(/^#!.*/, '#!/usr/bin/node'), 0o755),
      { path: '/usr/bin/plimsoll', type: 'link', mode: 0o777, target: `${PROGRAM}/bin/plimsoll.js` },
      file(`${PROGRAM}/package.json`, readFileSync(join(ROOT, 'package.json'))),
      file('/usr/share/doc/plimsoll/copyright', readFileSync(join(ROOT, 'LICENSE'))),
      ...filesBelow(dist, `${PROGRAM}/dist`),
      ...[...external, ...manifestsOf(external)].map((path) =>
        file(`${PROGRAM}/${path}`, readFileSync(join(ROOT, path))),
      ),
      ...packages.flatMap(licenceFiles),
    ],
    components: packages.map(npmComponent),
  };
}

/** The files that Node.js loads for these packages. */
async function tracePackages(names: readonly string[]): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    stdin: { contents: names.map((name) => `import ${JSON.stringify(name)};`).join('\n'), resolveDir: ROOT },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outdir: 'unused',
    write: false,
    metafile: true,
    // As Node.js resolves; by default esbuild prefers the field and condition `module`.
    mainFields: ['main'],
    conditions: [],
    logLevel: 'error',
  });
  return Object.keys(metafile.inputs)
    .filter((path) => path.startsWith('node_modules/'))
    .sort();
}

/** Directories of the packages that hold these files, such as `node_modules/a/node_modules/@b/c`. */
function packagesOf(paths: readonly string[]): readonly string[] {
  const directories = paths.map((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return [...new Set(directories.filter((path) => path !== undefined))].sort();
}

/** Every package.json that Node.js reads for these files: a directory in a package may change the module type. */
function manifestsOf(paths: readonly string[]): readonly string[] {
  const manifests = new Set<string>();
  for (const path of paths) {
    let directory = dirname(path);
    for (; directory !== 'node_modules' && directory !== '.'; directory = dirname(directory))
      manifests.add(join(directory, 'package.json'));
  }
  return [...manifests].filter((path) => existsSync(join(ROOT, path)));
}

function npmComponent(directory: string): Component {
  const { name, version, license } = manifest(directory);
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  return { type: 'library', name, version, licenses: license === undefined ? [] : [license], purl };
}

function licenceFiles(directory: string): readonly Entry[] {
  const { name } = manifest(directory);
  const names = readdirSync(join(ROOT, directory)).filter((entry) => /^(?:licen[cs]e|copying|notice)/i.test(entry));
  return names.map((entry) => file(`/usr/share/doc/npm/${name}/${entry}`, readFileSync(join(ROOT, directory, entry))));
}

function manifest(directory: string): { readonly name: string; readonly version: string; readonly license?: string } {
  return JSON.parse(readFileSync(join(ROOT, directory, 'package.json'), 'utf8')) as ReturnType<typeof manifest>;
}

function filesBelow(directory: string, target: string): readonly Entry[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const [source, path] = [join(directory, entry.name), `${target}/${entry.name}`];
    return entry.isDirectory() ? filesBelow(source, path) : [file(path, readFileSync(source))];
  });
}
