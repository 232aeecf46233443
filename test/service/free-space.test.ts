import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { formatBytes } from '../../service/bytes.ts';
import { judgeFreeSpace, readFreeSpace } from '../../service/free-space.ts';

const MIB = 1024 ** 2;

void t.test('as df says', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-space-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const { freeBytes, totalBytes } = await readFreeSpace(directory);
  const told = execFileSync('df', ['-B1', '--output=size,avail', directory], { encoding: 'utf8' }).split('\n')[1] ?? '';
  const [size, available] = told.trim().split(/\s+/).map(Number);
  t.equal(totalBytes, size);
  // Others write on this disk as well.
  t.ok(Math.abs(freeBytes - (available ?? 0)) < 1024 * MIB);
  await t.rejects(readFreeSpace(join(directory, 'absent')), { code: 'ENOENT' });
});

void t.test('what is enough', (t) => {
  const cases: readonly (readonly [freeBytes: number, freeFiles: number | undefined, verdict: string])[] = [
    [1024 * MIB, undefined, 'enough'],
    [1024 * MIB, 1_000_000, 'enough'],
    [512 * MIB, 16, 'enough'],
    [512 * MIB - 1, undefined, 'little'],
    [64 * MIB, undefined, 'little'],
    [64 * MIB - 1, undefined, 'none'],
    [0, undefined, 'none'],
    [1024 * MIB, 15, 'none'],
    [1024 * MIB, 0, 'none'],
  ];
  for (const [freeBytes, freeFiles, verdict] of cases)
    t.equal(
      judgeFreeSpace({ freeBytes, totalBytes: 2048 * MIB, freeFiles }),
      verdict,
      `${String(freeBytes)} ${String(freeFiles)}`,
    );
  t.end();
});

void t.test('bytes for people', (t) => {
  const cases: readonly (readonly [bytes: number, text: string])[] = [
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1280, '1.2 KiB'],
    [10 * 1024 + 1023, '10 KiB'],
    [MIB - 1, '1023 KiB'],
    [64 * MIB, '64 MiB'],
    [1.5 * 1024 * MIB, '1.5 GiB'],
    [3 * 1024 ** 4, '3 TiB'],
    [-5, '0 B'],
  ];
  for (const [bytes, text] of cases) t.equal(formatBytes(bytes), text);
  t.end();
});
