import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import { createMountTable, locate, pathsIn } from '../../agent/inspector/proc/mount-table.ts';
import type { MountTable } from '../../agent/inspector/proc/mount-table.ts';
import { parseMountinfo } from '../../agent/inspector/proc/mountinfo.ts';
import { isWithin } from '../../posture/check/mount.ts';
import { cannotMount } from '../component/tmpfs.ts';
import { SEED } from '../fixture/inspector/read.ts';

/*
 * Random trees of mounts in a mount namespace (the node), and a second namespace with further ones (the container).
 * What is mounted where is decided by find(1), which asks the kernel for device and inode of every path.
 */

/** `mount --bind` of one directory on another; an index is that of a directory in the tree. */
type Bind = readonly [source: number, target: number, recursive: boolean];

/** One namespace: its table, and every path below the tree with what stat(2) says. */
interface Seen {
  readonly table: MountTable;
  readonly files: ReadonlyMap<string, string>;
}

const NAMES = ['a', 'b', 'c'];
const DIRECTORIES = ['', ...NAMES, ...NAMES.flatMap((one) => NAMES.map((other) => `${one}/${other}`))];

const bindsArbitrary = (max: number): fc.Arbitrary<readonly Bind[]> => {
  const index = fc.nat(DIRECTORIES.length - 1);
  return fc.array(fc.tuple(index, index, fc.boolean()), { minLength: 1, maxLength: max });
};

/** Commands that fail (a directory that is covered by now) change nothing. */
function mounting(tree: string, binds: readonly Bind[]): string {
  const at = (index: number): string => join(tree, DIRECTORIES[index] ?? '');
  return binds
    .map(([source, target, recursive]) =>
      source === target
        ? // A tmpfs of its own, with directories to bind.
          `mount -t tmpfs t ${at(target)} && mkdir -p ${at(target)}/a/b ${at(target)}/c`
        : `mount ${recursive ? '--rbind' : '--bind'} ${at(source)} ${at(target)}`,
    )
    .map((command) => `${command} 2>/dev/null`)
    .join('\n');
}

function runIn(tree: string, ofNode: readonly Bind[], ofContainer: readonly Bind[]): readonly [Seen, Seen] {
  const show = `cat /proc/self/mountinfo; echo ==; find ${tree} -maxdepth 6 -printf '%D:%i %p\\n' 2>/dev/null | head -4000; echo ==`;
  const script = [
    `mount -t tmpfs t ${tree}`,
    `mkdir -p ${DIRECTORIES.map((name) => join(tree, name)).join(' ')}`,
    mounting(tree, ofNode),
    show,
    `exec unshare -m --propagation private sh -c "$CONTAINER"`,
  ].join('\n');
  const out = execFileSync('unshare', ['-m', '--propagation', 'private', 'sh', '-c', script], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], CONTAINER: `${mounting(tree, ofContainer)}\n${show}` },
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [mounts = '', files = '', mountsInside = '', filesInside = ''] = out.split('==\n');
  return [toSeen(mounts, files), toSeen(mountsInside, filesInside)];
}

function toSeen(mounts: string, files: string): Seen {
  const found = new Map<string, string>();
  for (const line of files.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) found.set(line.slice(space + 1), line.slice(0, space));
  }
  return { table: createMountTable(parseMountinfo(mounts)), files: found };
}

/** `%D` of find is st_dev as one number, makedev(3). */
function deviceOf(file: string): string {
  const number = Number(file.slice(0, file.indexOf(':')));
  return `${String((number >> 8) & 0xfff)}:${String((number & 0xff) | ((number >> 12) & 0xfff00))}`;
}

t.test('paths and mounts of random trees', { skip: cannotMount() }, (t) => {
  const tree = mkdtempSync(join(tmpdir(), 'plimsoll-tree-'));
  t.teardown(() => rmdirSync(tree));
  fc.assert(
    fc.property(bindsArbitrary(8), bindsArbitrary(5), (ofNode, ofContainer) => {
      const [node, container] = runIn(tree, ofNode, ofContainer);
      // One place in a file system is one file, in both namespaces.
      const places = new Map<string, string>();
      for (const { table, files } of [node, container])
        for (const [path, file] of files) {
          const location = locate(table, path);
          const place = `${String(location?.device)} ${String(location?.root)}`;
          if (location?.device !== deviceOf(file)) throw new Error(`${path} is on ${file}, not ${place}`);
          if ((places.get(place) ?? file) !== file) throw new Error(`${path} is ${file}, not ${place}`);
          places.set(place, file);
        }
      for (const mount of container.table.entries) {
        const file = container.files.get(mount.mountPoint);
        const top = locate(container.table, mount.mountPoint);
        // Covered by another, find cannot see it.
        if (
          !isWithin(mount.mountPoint, tree) ||
          file === undefined ||
          top?.device !== mount.device ||
          top.root !== mount.root
        )
          continue;
        const { paths, isComplete } = pathsIn(node.table, mount);
        // Every path at which the node has the same directory is found.
        for (const [path, other] of node.files)
          if (other === file && isComplete && !paths.includes(path))
            throw new Error(`${mount.mountPoint} is ${path} too`);
        // And at what is found the node has it, unless another mount covers that.
        for (const path of paths) {
          const there = locate(node.table, path);
          const isIt = there?.device === mount.device && there.root === mount.root;
          const seen = node.files.get(path);
          if (isIt && seen !== undefined && seen !== file) throw new Error(`${mount.mountPoint} is not ${path}`);
        }
      }
    }),
    { ...SEED, numRuns: 40 },
  );
  t.end();
});
