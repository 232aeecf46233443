import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { writeFileAtomic } from '../../service/files.ts';

void t.test('a file is replaced whole, with its mode, and nothing is left behind', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-files-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'state');
  const umask = process.umask(0o077);
  t.teardown(() => process.umask(umask));
  await writeFileAtomic(path, 'one', 0o644);
  t.equal(statSync(path).mode & 0o777, 0o644, 'whatever the umask is');
  await writeFileAtomic(path, Buffer.from('two'), 0o600);
  t.equal(readFileSync(path, 'utf8'), 'two');
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.same(readdirSync(directory), ['state']);
});

void t.test('a link is replaced, not followed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-files-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'victim'), 'kept');
  symlinkSync('victim', join(directory, 'state'));
  await writeFileAtomic(join(directory, 'state'), 'new', 0o600);
  t.equal(readFileSync(join(directory, 'victim'), 'utf8'), 'kept');
  t.equal(readFileSync(join(directory, 'state'), 'utf8'), 'new');
});

void t.test('a failure is told and leaves nothing', async (t) => {
  await t.rejects(writeFileAtomic('/proc/nowhere/file', 'x', 0o600), { code: 'ENOENT' });
});
