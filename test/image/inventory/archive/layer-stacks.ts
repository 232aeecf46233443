import type { TarSpec } from '../../../fixture/image-archive.ts';

/** One entry of a layer, as `overlay-reference.py` takes it. */
export interface StackEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'device' | 'fifo';
  readonly size: number;
  readonly mode: number;
  readonly target: string;
  readonly device: readonly [number, number];
  readonly attributes: Readonly<Record<string, string>>;
}

/** Numbers that follow from a seed: mulberry32. */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const NAMES = ['a', 'b', 'c'];
const MODES = [0o644, 0o755, 0o600, 0o4755, 0o2711];
/** Every kind as often as it makes stacks that differ; an ordinary file most often. */
const KINDS = [
  ...Array<string>(7).fill('file'),
  ...Array<string>(5).fill('directory'),
  ...Array<string>(5).fill('whiteout'),
  ...Array<string>(3).fill('opaque'),
  'symlink',
  'hardlink',
  'hardlink',
  'rare',
];
const RARE = ['device', 'fifo', 'attribute', 'aufs', 'symlink', 'root-opaque'];

/** Two to four layers of up to nine entries each, below three names and three levels: most entries meet another one. */
export function makeStack(random: (below: number) => number): StackEntry[][] {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const path = (): string => Array.from({ length: 1 + random(3) }, () => pick(NAMES)).join('/');
  const spelled = (name: string): string => pick([name, name, name, `./${name}`, `/${name}`, name.replace('/', '//')]);
  let size = 0;
  const entry = (): StackEntry => {
    const plain = { size: 0, mode: pick(MODES), target: '', device: [0, 0] as const, attributes: {} };
    const at = path();
    const [last = '', ...parents] = at.split('/').toReversed();
    const folder = parents.toReversed().map((name) => `${name}/`);
    const kind = pick(KINDS);
    switch (kind === 'rare' ? pick(RARE) : kind) {
      case 'directory':
        return { ...plain, kind: 'directory', name: `${spelled(at)}/`, mode: 0o755 };
      case 'whiteout':
        return { ...plain, kind: 'file', name: spelled(`${folder.join('')}.wh.${last}`) };
      case 'opaque':
        return { ...plain, kind: 'file', name: spelled(`${at}/.wh..wh..opq`) };
      case 'root-opaque':
        return { ...plain, kind: 'file', name: spelled('.wh..wh..opq') };
      case 'aufs':
        return { ...plain, kind: 'file', name: spelled(`${folder.join('')}.wh..wh.${last}`) };
      case 'symlink':
        return { ...plain, kind: 'symlink', name: spelled(at), target: pick(['', '/', '../']) + path() };
      case 'hardlink':
        return { ...plain, kind: 'hardlink', name: spelled(at), target: path() };
      case 'device':
        return { ...plain, kind: 'device', name: spelled(at), device: pick([[0, 0] as const, [1, 3] as const]) };
      case 'fifo':
        return { ...plain, kind: 'fifo', name: spelled(at) };
      case 'attribute': {
        const [name, value] = pick([
          ['trusted.overlay.opaque', 'y'],
          ['trusted.overlay.redirect', `/${path()}`],
        ] as const);
        return { ...plain, kind: 'directory', name: `${at}/`, mode: 0o755, attributes: { [name]: value } };
      }
      default:
        size += 1;
        return { ...plain, kind: 'file', name: spelled(at), size };
    }
  };
  return Array.from({ length: 2 + random(3) }, () => Array.from({ length: 1 + random(9) }, entry));
}

const TYPES = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  hardlink: 'link',
  device: 'character-device',
  fifo: 'fifo',
} as const;

/** The entry in a tar archive. */
export function tarSpec({ name, kind, size, mode, target, device, attributes }: StackEntry): TarSpec {
  const pax = Object.entries(attributes).map(([key, value]) => [`SCHILY.xattr.${key}`, value]);
  return {
    name,
    type: TYPES[kind],
    mode,
    ...(target !== '' && { linkname: target }),
    ...(kind === 'device' && { devmajor: device[0], devminor: device[1] }),
    ...(pax.length > 0 && { pax: Object.fromEntries(pax) as Record<string, string> }),
    ...(kind === 'file' && { content: 'x'.repeat(size) }),
  };
}
