// `npm run image`: builds the container image without Docker and without a base image.
//   --output FILE   archive for `docker load` and `ctr image import` (default: build/NAME.tar)
//   --root DIR      writes the root file system into DIR instead, for the Dockerfile
//   --tag TAG       default: version and commit, with `-dirty` if files differ from it
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sha256, writeArchive } from './image/archive.ts';
import { createBaseLayer, DATA_DIRECTORY, file, IMAGE_UID } from './image/base-layer.ts';
import { createProgramLayer } from './image/program-layer.ts';
import { writeSbom } from './image/sbom.ts';
import { withParents } from './image/tar.ts';
import type { Entry } from './image/tar.ts';
import { ROOT } from './setup.mjs';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const SBOM_PATH = '/usr/share/sbom/plimsoll.cdx.json';

const { values } = parseArgs({
  options: { output: { type: 'string' }, root: { type: 'string' }, tag: { type: 'string' } },
});
const architecture = ARCHITECTURES[process.arch] ?? '';
if (architecture === '') throw new Error(`no image for ${process.arch}: build on x64 or arm64`);
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
const commit = git('rev-parse', '--short=12', 'HEAD');
const isDirty = git('status', '--porcelain') !== '';
const tag = values.tag ?? [version, ...(commit === '' ? [] : [commit]), ...(isDirty ? ['dirty'] : [])].join('-');
const createdMs = Number(process.env['SOURCE_DATE_EPOCH'] ?? (git('log', '-1', '--format=%ct') || 0)) * 1000;

const workDirectory = mkdtempSync(join(tmpdir(), 'plimsoll-image-'));
try {
  const base = createBaseLayer(architecture);
  const program = await createProgramLayer(workDirectory);
  const sbom = writeSbom(tag, [...base.components, ...program.components], createdMs);
  const layers = [base.entries, [...program.entries, file(SBOM_PATH, sbom)]];
  if (values.root === undefined) writeImage(layers, sbom);
  else for (const entries of layers) writeTree(entries, resolve(values.root));
} finally {
  rmSync(workDirectory, { recursive: true });
}

function writeImage(layers: readonly (readonly Entry[])[], sbom: string): void {
  const reference = `plimsoll:${tag}`;
  const output = resolve(values.output ?? join(ROOT, 'build', `plimsoll-${tag}-${architecture}.tar`));
  const { archive, digest } = writeArchive({
    reference,
    architecture,
    layers,
    createdMs,
    config: {
      User: `${IMAGE_UID}:${IMAGE_UID}`,
      Entrypoint: ['/usr/bin/plimsoll'],
      Cmd: ['help'],
      WorkingDir: '/',
      Env: ['PATH=/usr/bin', `HOME=${DATA_DIRECTORY}`, `PLIMSOLL_DATA_DIR=${DATA_DIRECTORY}`],
      Labels: {
        'org.opencontainers.image.title': 'plimsoll',
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.revision': commit,
        'org.opencontainers.image.licenses': 'Apache-2.0',
        'plimsoll.sbom.path': SBOM_PATH,
        'plimsoll.sbom.digest': sha256(sbom),
      },
    },
  });
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, archive);
  process.stdout.write(
    `image    ${reference}\ndigest   ${digest}\nsize     ${(archive.length / 2 ** 20).toFixed(1)} MiB compressed\narchive  ${output}\n`,
  );
}

/** Writes the entries below `root`; owners only as root. */
function writeTree(entries: readonly Entry[], root: string): void {
  for (const entry of withParents(entries)) {
    const path = join(root, entry.path);
    switch (entry.type) {
      case 'directory':
        mkdirSync(path, { recursive: true });
        break;
      case 'file':
        writeFileSync(path, entry.content);
        break;
      case 'link':
        symlinkSync(entry.target, path);
        continue;
    }
    chmodSync(path, entry.mode);
    if (process.getuid?.() === 0) chownSync(path, entry.owner ?? 0, entry.owner ?? 0);
  }
}

/** What git prints; empty where there is no repository. */
function git(...args: readonly string[]): string {
  try {
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}
