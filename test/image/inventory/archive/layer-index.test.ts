import t from 'tap';
import { LayerIndex } from '../../../../image/inventory/archive/layer-index.ts';
import type { DirectoryNode } from '../../../../image/inventory/archive/layer-index.ts';
import { TarReader } from '../../../../image/inventory/archive/tar-reader.ts';
import { makeTar } from '../../../fixture/image-archive.ts';
import type { TarSpec } from '../../../fixture/image-archive.ts';

/** Files with their modes where they are not 0644, and gaps as `PATH: REASON`. */
async function merged(layers: readonly (readonly TarSpec[])[]): Promise<string[]> {
  const index = new LayerIndex(() => false);
  for (const layer of layers) {
    const reader = new TarReader((entry) => void index.add(entry));
    reader.write(await makeTar(layer));
    reader.end();
    index.finishLayer();
  }
  const found: string[] = [];
  const visit = ({ children }: DirectoryNode, path: string): void => {
    for (const [name, node] of children) {
      if (node.kind === 'directory') visit(node, `${path}/${name}`);
      else if (node.kind === 'file')
        found.push(`${path}/${name}${node.mode === 0o644 ? '' : ` ${node.mode.toString(8)}`}`);
    }
  };
  visit(index.root, '');
  return [...found.sort(), ...index.gaps.map(({ path, reason }) => `${path}: ${reason}`)];
}

const directory = (name: string, attribute?: string): TarSpec => ({
  name,
  type: 'directory',
  ...(attribute !== undefined && { pax: { [`SCHILY.xattr.${attribute}`]: 'y' } }),
});
const link = (name: string, linkname: string, mode = 0o644): TarSpec => ({ name, type: 'link', linkname, mode });
const symlink = (name: string, linkname: string): TarSpec => ({ name, type: 'symlink', linkname });
const file = (name: string): TarSpec => [name, ''];
const BASE: readonly TarSpec[] = [file('app/old'), file('app/deep/old'), file('other')];

/** What the second layer holds, and what overlayfs shows of both: see `overlay-reference.test.ts`. */
const CASES: readonly (readonly [name: string, layer: readonly TarSpec[], shown: readonly string[]])[] = [
  ['a whiteout', [file('.wh.app')], ['/other']],
  [
    'a whiteout, then a directory of its name',
    [file('.wh.app'), directory('app/'), file('app/new')],
    ['/app/deep/old', '/app/new', '/app/old', '/other'],
  ],
  ['a whiteout, then a file of its name', [file('.wh.app'), file('app')], ['/app', '/other']],
  ['a whiteout, then a link to it', [file('.wh.app'), link('other', 'app')], []],
  ['an opaque directory', [file('app/new'), file('app/.wh..wh..opq')], ['/app/new', '/other']],
  [
    'an opaque directory that is made again',
    [directory('app/'), file('app/.wh..wh..opq'), file('app'), directory('app/'), file('app/new')],
    ['/app/deep/old', '/app/new', '/app/old', '/other'],
  ],
  [
    'an opaque directory below one that is made again',
    [file('app/deep/.wh..wh..opq'), symlink('app', '/x'), directory('app/')],
    ['/app/deep/old', '/app/old', '/other'],
  ],
  ['an opaque root', [file('.wh..wh..opq'), file('new')], ['/app/deep/old', '/app/old', '/new', '/other']],
  [
    'a directory, a file and a directory',
    [file('app/new'), file('app'), directory('app/')],
    ['/app/deep/old', '/app/old', '/other'],
  ],
  ['a whiteout below a file of an older layer', [file('other/.wh.x')], ['/app/deep/old', '/app/old']],
  [
    'a hard link with another mode',
    [file('new'), link('run', 'new', 0o4755)],
    ['/app/deep/old', '/app/old', '/new 4755', '/other', '/run 4755'],
  ],
  [
    'a whiteout of a name and of one below it',
    [file('.wh.app'), file('app/.wh.old'), file('app/deep/.wh.old')],
    ['/other'],
  ],
];

void t.test('the second layer changes the first as overlayfs does', async (t) => {
  for (const [name, layer, shown] of CASES) t.strictSame(await merged([BASE, layer]), shown, name);
});

/** Each is a gap; what older layers have stays listed. */
const GAPS: readonly (readonly [name: string, layer: readonly TarSpec[], gap: RegExp])[] = [
  ['an attribute of dockerd', [directory('app/', 'trusted.overlay.redirect')], /^\/app: has an attribute of overlayfs/],
  [
    'an attribute without privileges',
    [directory('app/', 'user.overlay.opaque')],
    /^\/app: has an attribute of overlayfs/,
  ],
  ['an entry below a link', [symlink('l', 'app'), file('l/new')], /^\/l\/new: .* below an entry that is no directory/],
  ['a whiteout below a link', [symlink('l', 'app'), file('l/.wh.old')], /^\/l\/\.wh\.old: .* no directory/],
  ['an opaque mark below a link', [symlink('l', 'app'), file('l/.wh..wh..opq')], /no directory/],
  ['a whiteout after its entry', [file('other'), file('.wh.other')], /^\/\.wh\.other: a whiteout of an entry/],
  ['an entry below a whiteout', [file('.wh.app'), file('app/new')], /^\/app\/new: .* the same layer deletes/],
  ['a whiteout without a name', [file('app/.wh.')], /without a name/],
  ['a whiteout of the directory above', [file('app/.wh...')], /without a name/],
  [
    'a device in place of a file',
    [{ name: 'other', type: 'character-device', devmajor: 1, devminor: 3 }],
    /^\/other: a device replaces it/,
  ],
];

void t.test('where engines disagree or refuse, there is a gap', async (t) => {
  for (const [name, layer, gap] of GAPS) {
    const found = await merged([BASE, layer]);
    t.equal(found.filter((line) => gap.test(line)).length, 1, `${name}: ${found.join('; ')}`);
    t.ok(found.includes('/app/deep/old'), `${name}: older layers stay`);
  }
  const below = await merged([[file('a/old'), symlink('l', 'a')], [file('l/new')]]);
  t.match(below.at(-1), /^\/l: a layer places entries below a link of an older one/);
});
