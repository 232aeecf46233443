import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { LayerIndex } from '../../../../image/inventory/archive/layer-index.ts';
import type { DirectoryNode } from '../../../../image/inventory/archive/layer-index.ts';
import { TarReader } from '../../../../image/inventory/archive/tar-reader.ts';
import { findDockerLayers, readFoundLayers } from '../../../../image/inventory/docker-layers.ts';
import type { FoundLayer } from '../../../../image/inventory/docker-layers.ts';
import { openLayerTree } from '../../../../image/inventory/layer-tree.ts';
import { dockerLayout, makeTar, sha256 } from '../../../fixture/image-archive.ts';
import { makeStack, seeded, tarSpec } from './layer-stacks.ts';
import type { StackEntry } from './layer-stacks.ts';

const STACKS = 2000;
const SEED = 20_261_201;
/** As many of them are loaded into a real dockerd. */
const LOADED = 40;
const SCRIPT = join(import.meta.dirname, '../../../fixture/overlay-reference.py');
/** A file system with devices and attributes of overlayfs. */
const MEMORY = '/dev/shm';

type Tree = Readonly<Record<string, readonly (string | number)[]>>;
interface Answer {
  readonly accepted: readonly (readonly number[])[];
  readonly timed: boolean;
  readonly overlay: Tree | null;
  readonly single: Tree | null;
}

const python = (code: string): boolean => spawnSync('unshare', ['-m', 'python3', '-c', code]).status === 0;
const skip =
  process.getuid?.() !== 0
    ? 'not root'
    : !existsSync(MEMORY) || !python('import ctypes')
      ? `no ${MEMORY}, unshare or python3`
      : false;

function ask<T>(requests: readonly unknown[]): T[] {
  const input = requests.map((request) => JSON.stringify(request)).join('\n');
  const done = spawnSync('unshare', ['-m', 'python3', SCRIPT], { input, maxBuffer: 1024 ** 3, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
  return done.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

/** The tree that an index of these archives has. */
function indexed(tars: readonly Uint8Array[]): { readonly tree: Tree; readonly gaps: number } {
  const index = new LayerIndex(() => false);
  for (const tar of tars) {
    const reader = new TarReader((entry) => void index.add(entry));
    reader.write(tar);
    reader.end();
    index.finishLayer();
  }
  const tree: Record<string, readonly (string | number)[]> = {};
  const visit = ({ children }: DirectoryNode, path: string): void => {
    for (const [name, node] of children) {
      const at = `${path}/${name}`;
      tree[at] =
        node.kind === 'file'
          ? ['file', node.sizeBytes, node.mode]
          : node.kind === 'link'
            ? ['link', node.target]
            : [node.kind];
      if (node.kind === 'directory') visit(node, at);
    }
  };
  visit(index.root, '');
  return { tree, gaps: index.gaps.length };
}

const lines = (tree: Tree, kinds = ['file', 'directory', 'link', 'other']): string[] =>
  Object.entries(tree)
    // The kernel hides a device 0:0 as a whiteout; neither has content.
    .filter(([, [kind]]) => kinds.includes(String(kind)) && kind !== 'other')
    .map(([path, rest]) => `${path} ${rest.join(' ')}`)
    .sort();

/** Regular files of layers that are read in place, newest first, and the number of gaps. */
async function inPlace(layers: readonly FoundLayer[]): Promise<{ readonly files: string[]; readonly gaps: number }> {
  const located = await readFoundLayers(layers);
  if (!located.ok) throw new Error(located.reason);
  const tree = openLayerTree(located.layers);
  const files: string[] = [];
  const gaps = tree.walk(
    ({ path, sizeBytes, mode }) => void files.push(`${path} file ${String(sizeBytes)} ${String(mode)}`),
  );
  tree.close();
  return { files: files.sort(), gaps: gaps.length };
}

/** What an engine keeps of the archive of a layer: headers and padding, without contents. */
function splitOf(tar: Uint8Array): Buffer {
  const out: unknown[] = [];
  const segment = (from: number, to: number): void =>
    void (to > from && out.push({ type: 2, payload: Buffer.from(tar.subarray(from, to)).toString('base64') }));
  let at = 0;
  let from = 0;
  while (at < tar.length && tar[at] !== 0) {
    const size = Number.parseInt(Buffer.from(tar.subarray(at + 124, at + 135)).toString(), 8);
    const isHeader = 'xg'.includes(String.fromCharCode(tar[at + 156] ?? 0));
    at += 512;
    if (isHeader) at += Math.ceil(size / 512) * 512;
    else {
      segment(from, at);
      out.push({ type: 1, name: 'x', ...(size > 0 && { size }) });
      from = at + size;
      at += Math.ceil(size / 512) * 512;
    }
  }
  segment(from, tar.length);
  return gzipSync(out.map((entry, position) => JSON.stringify({ ...(entry as object), position })).join('\n'));
}

void t.test('stacks of layers look as overlayfs shows them', { skip }, async (t) => {
  const directory = mkdtempSync(join(MEMORY, 'plimsoll-stacks-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const random = seeded(SEED);
  const generated = Array.from({ length: STACKS }, () => makeStack(random));
  const answers = ask<Answer>(
    generated.map((layers, number) => ({ directory: join(directory, String(number)), layers })),
  );
  const stacks = generated.map((layers, number) =>
    layers.map((entries, layer) => (answers[number]?.accepted[layer] ?? []).map((at) => entries[at] as StackEntry)),
  );
  const wrong: unknown[] = [];
  const count = { exact: 0, inPlace: 0 };
  for (const [number, layers] of stacks.entries()) {
    const { overlay = null, single = null } = answers[number] ?? {};
    const tars = await Promise.all(layers.map((entries) => makeTar(entries.map(tarSpec))));
    const { tree, gaps } = indexed(tars);
    if (gaps === 0) {
      count.exact += 1;
      const [expected, actual] = [lines(overlay ?? {}), lines(tree)];
      if (overlay === null || expected.join('\n') !== actual.join('\n')) wrong.push({ number, expected, actual });
      const missing = lines(single ?? {}, ['file']).filter((line) => !actual.some((one) => sameFile(one, line)));
      if (missing.length > 0) wrong.push({ number, missing, actual });
    }
    // Every second one, since it takes as long as all the rest.
    if (number % 2 === 0) continue;
    const found = layers.map((_, layer) => join(directory, String(number), String(layer)));
    for (const [layer, tar] of tars.entries()) writeFileSync(`${found[layer] ?? ''}.split`, splitOf(tar));
    const { files, gaps: gapsInPlace } = await inPlace(
      found
        .map((path, layer) => ({ path, identity: '', entryList: layer === 0 ? undefined : `${path}.split` }))
        .toReversed(),
    );
    if (gapsInPlace > 0) continue;
    count.inPlace += 1;
    const expected = lines(overlay ?? {}, ['file']);
    if (overlay === null || expected.join('\n') !== files.join('\n')) wrong.push({ number, expected, files });
  }
  t.strictSame(wrong.slice(0, 3), [], `${String(wrong.length)} of ${String(STACKS)} differ`);
  t.ok(count.exact > STACKS / 2, `${String(count.exact)} have no gap`);
  t.ok(count.inPlace > STACKS / 4, `${String(count.inPlace)} have no gap in place`);

  const socket = process.env['PLIMSOLL_TEST_DOCKER'];
  await t.test('as a real dockerd unpacks them', { skip: !socket && 'no dockerd' }, async (t) => {
    const docker = (args: readonly string[], input?: Uint8Array): string => {
      const done = spawnSync('docker', ['-H', `unix://${socket ?? ''}`, ...args], { input, maxBuffer: 1024 ** 3 });
      if (done.status !== 0) throw new Error(`docker ${args[0] ?? ''}: ${done.stderr.toString()}`);
      return done.stdout.toString();
    };
    const chosen = [...stacks.entries()]
      .filter(([number, layers]) => answers[number]?.timed === true && layers.every(hasDistinctNames))
      .slice(0, LOADED);
    t.equal(chosen.length, LOADED);
    const tags = chosen.map(([number]) => `plimsoll-stack-${String(process.pid)}:${String(number)}`);
    t.teardown(() => spawnSync('docker', ['-H', `unix://${socket ?? ''}`, 'rmi', '-f', ...tags]));
    const dataRoot = docker(['info', '-f', '{{.DockerRootDir}}']).trim();
    const images = await Promise.all(
      chosen.map(async ([, layers], at) => {
        const tars = await Promise.all(layers.map((entries) => makeTar(entries.map(tarSpec))));
        return { tars, files: dockerLayout(tars, [tags[at] ?? '']) };
      }),
    );
    docker(['load'], await makeTar(joinLayouts(images.map(({ files }) => files))));
    const loaded = images.map(({ tars }) => {
      const found = findDockerLayers(
        dataRoot,
        tars.map((tar) => `sha256:${sha256(tar)}`),
      );
      if (!found.ok) throw new Error(found.reason);
      return found.layers;
    });
    const shown = ask<Pick<Answer, 'overlay'>>(
      loaded.map((layers) => ({ directory: join(directory, 'mounted'), lower: layers.map(({ path }) => path) })),
    );
    for (const [at, layers] of loaded.entries()) {
      const [number = 0] = chosen[at] ?? [];
      const overlay = shown[at]?.overlay ?? {};
      t.strictSame(lines(overlay), lines(answers[number]?.overlay ?? {}), `stack ${String(number)}`);
      const { files, gaps } = await inPlace(layers);
      if (gaps === 0) t.strictSame(files, lines(overlay, ['file']), 'in place');
    }
  });
});

/** A hard link in one directory gives files of older layers another mode, which overlayfs cannot. */
function sameFile(one: string, other: string): boolean {
  return one.slice(0, one.lastIndexOf(' ')) === other.slice(0, other.lastIndexOf(' '));
}

/** dockerd loads no layer with two entries of one name. */
function hasDistinctNames(layer: readonly StackEntry[]): boolean {
  const names = layer.map(({ name }) => name.replaceAll(/(?:^|\/)(?:\.?\/)+/g, '/').replace(/^\/|\/$/g, ''));
  return new Set(names).size === names.length;
}

/** One archive of several images. */
function joinLayouts(layouts: readonly (readonly (readonly [string, Uint8Array])[])[]): [string, Uint8Array][] {
  const files = new Map<string, Uint8Array>();
  const manifests: unknown[] = [];
  for (const [at, layout] of layouts.entries())
    for (const [name, bytes] of layout) {
      if (name !== 'manifest.json') files.set(name.endsWith('.tar') ? `${String(at)}/${name}` : name, bytes);
      else
        for (const manifest of JSON.parse(Buffer.from(bytes).toString()) as { Layers: string[] }[])
          manifests.push({ ...manifest, Layers: manifest.Layers.map((layer) => `${String(at)}/${layer}`) });
    }
  return [...files, ['manifest.json', Buffer.from(JSON.stringify(manifests))]];
}
