// What the inventory of an image costs in place, beside a walk that only lists its directories (the floor).
// Usage: npm run bench -- inventory [--root DIR] [--runs 5]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, opendirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDirectoryTree } from '../image/inventory/directory-tree.ts';
import { takeInventory } from '../image/inventory/inventory.ts';
import { percentile, printFigures } from './figures.ts';
import type { Figure } from './figures.ts';

const { values } = parseArgs({
  options: {
    root: { type: 'string' },
    runs: { type: 'string', default: '5' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Measures the inventory of a root directory, cold (as root: page cache dropped before each run) and warm.

  --root DIR     the root to read; default: 500 MiB of this machine's own software, copied
  --runs N       of each, turn by turn; the median counts (5)
  --output json  the figures for programs`);
  process.exit();
}

/** What is copied, until it has 500 MiB: the package database, programs, libraries, interpreters with their modules. */
const PARTS = [
  '/etc/os-release',
  '/var/lib/dpkg',
  '/usr/bin',
  '/usr/lib/python3',
  '/usr/share/perl',
  '/usr/share/doc',
  '/usr/lib/x86_64-linux-gnu',
];
const MIN_BYTES = 500 * 1024 ** 2;

const made = values.root === undefined ? makeRoot() : undefined;
const root = values.root ?? made ?? '/';
process.on('exit', () => made !== undefined && rmSync(made, { recursive: true, force: true }));

const size = measureRoot(root);
const figures: Record<string, number[]> = {
  'floor cold': [],
  'inventory cold': [],
  'floor warm': [],
  'inventory warm': [],
};
let found = { packages: 0, gaps: 0 };
const canDrop = process.getuid?.() === 0;
for (let run = 0; run < Number(values.runs); run += 1) {
  for (const temperature of canDrop ? ['cold', 'warm'] : ['warm']) {
    if (temperature === 'cold') dropCaches();
    figures[`floor ${temperature}`]?.push(time(() => list(root)));
    if (temperature === 'cold') dropCaches();
    figures[`inventory ${temperature}`]?.push(time(inventory));
  }
}
console.error(
  `${String(Math.round(size.bytes / 1024 ** 2))} MiB, ${String(size.files)} files, ${String(found.packages)} packages, ${String(found.gaps)} gaps`,
);
const figure = (temperature: string): Figure => ({
  name: `inventory, ${temperature}`,
  unit: 'ms',
  value: percentile(figures[`inventory ${temperature}`] ?? [], 0.5),
  ...(temperature === 'cold' && { goal: 300 }),
  floor: { what: 'a walk of its directories', value: percentile(figures[`floor ${temperature}`] ?? [], 0.5) },
});
printFigures(canDrop ? [figure('cold'), figure('warm')] : [figure('warm')], values.output);

function inventory(): void {
  const tree = openDirectoryTree(root, { mounts: 'volume' });
  try {
    const { packages, gaps } = takeInventory(tree);
    found = { packages: packages.length, gaps: gaps.length };
  } finally {
    tree.close();
  }
}

function list(path: string): number {
  let count = 0;
  const pending = [path];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const directory = opendirSync(next, { bufferSize: 256 });
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      count += 1;
      if (entry.isDirectory()) pending.push(join(next, entry.name));
    }
    directory.closeSync();
  }
  return count;
}

function measureRoot(path: string): { bytes: number; files: number } {
  let [bytes, files] = [0, 0];
  const tree = openDirectoryTree(path, { mounts: 'volume' });
  tree.walk(({ sizeBytes }) => {
    bytes += sizeBytes;
    files += 1;
  });
  tree.close();
  return { bytes, files };
}

function makeRoot(): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-inventory-'));
  for (const part of PARTS.filter((each) => existsSync(each))) {
    mkdirSync(join(directory, dirname(part)), { recursive: true });
    spawnSync('cp', ['-aL', '--no-preserve=links', part, join(directory, dirname(part))], { stdio: 'ignore' });
    if (measureRoot(directory).bytes >= MIN_BYTES) break;
  }
  const programs = join(directory, 'usr/bin');
  let { bytes } = measureRoot(directory);
  for (const name of readdirSync(programs)) {
    const { size } = statSync(join(programs, name));
    if (bytes - size < MIN_BYTES) continue;
    rmSync(join(programs, name));
    bytes -= size;
  }
  spawnSync('sync');
  return directory;
}

function dropCaches(): void {
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

function time(run: () => unknown): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}
