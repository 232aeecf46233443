import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { makePrivateDirectory, writeFileAtomic } from '../../service/files.ts';

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

void t.test('a failure is reported and leaves nothing', async (t) => {
  await t.rejects(writeFileAtomic('/proc/nowhere/file', 'x', 0o600), { code: 'ENOENT' });
});

void t.test('directories for the owner only; those that exist stay as they are', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-files-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'open'));
  chmodSync(join(directory, 'open'), 0o755);
  const path = join(directory, 'open/a/b/c');
  await makePrivateDirectory(path);
  await makePrivateDirectory(path);
  const modes = ['open', 'open/a', 'open/a/b', 'open/a/b/c'].map(
    (name) => statSync(join(directory, name)).mode & 0o777,
  );
  t.same(modes, [0o755, 0o700, 0o700, 0o700]);
  await Promise.all(Array.from({ length: 8 }, () => makePrivateDirectory(join(directory, 'many/at/once'))));
  symlinkSync('open', join(directory, 'link'));
  await makePrivateDirectory(join(directory, 'link/d/'));
  t.ok(existsSync(join(directory, 'open/d')));
});

void t.test('a directory that cannot be made is reported at once', { timeout: 10_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-files-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'file'), '');
  symlinkSync('nowhere/else', join(directory, 'dangling'));
  // mkdir(2) says ENOENT for every new name below /proc, whatever is above it.
  for (const path of ['/proc/plimsoll', '/proc/plimsoll/agent/spool'])
    await t.rejects(makePrivateDirectory(path), { code: 'ENOENT' }, path);
  await t.rejects(makePrivateDirectory(join(directory, 'file')), { code: 'EEXIST' });
  await t.rejects(makePrivateDirectory(join(directory, 'file/below')), { code: 'ENOTDIR' });
  await t.rejects(makePrivateDirectory(join(directory, 'dangling/below')), { code: /^E/ });
  await t.rejects(makePrivateDirectory(join(directory, 'nul\0byte')), { code: 'ERR_INVALID_ARG_VALUE' });
});
