import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory with everything a host can put in the way of a reader. */
export interface FixtureTree {
  readonly directory: string;
  /** Ends what serves the tree and removes it. */
  readonly remove: () => Promise<void>;
}

/**
 * Builds the tree. Absolute links in it start with `linkPrefix`: empty when the directory is used as a host root, the
 * directory itself when it is read through `/`.
 */
export async function buildFixtureTree(linksInside: boolean): Promise<FixtureTree> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'plimsoll-host-')));
  const at = (path: string): string => join(directory, path);
  const link = (target: string, path: string): void => {
    symlinkSync(target.startsWith('/') && !linksInside ? directory + target : target, at(path));
  };

  for (const path of ['etc/app/empty', 'links', 'kinds', 'names', 'many', 'limit', 'modes']) {
    mkdirSync(at(path), { recursive: true });
  }
  writeFileSync(at('etc/app/plain.conf'), 'colour = blue\n');
  writeFileSync(at('etc/app/nothing.conf'), '');
  writeFileSync(at('etc/app/bytes.bin'), Buffer.of(0x00, 0xff, 0xfe, 0x80, 0x0a));
  writeFileSync(at('limit/1024'), Buffer.alloc(1024, 0x61));
  writeFileSync(at('limit/1025'), Buffer.alloc(1025, 0x61));
  writeFileSync(at('limit/over-default'), Buffer.alloc(1024 * 1024 + 1, 0x61));

  link('../etc/app/plain.conf', 'links/relative');
  link('/etc/app/plain.conf', 'links/absolute');
  link('/etc/app', 'links/directory');
  link('/etc/nowhere', 'links/dangling');
  link('self', 'links/self');
  link('second', 'links/first');
  link('first', 'links/second');
  link('../../../../../../../../../../../../etc/app/plain.conf', 'links/climbing');
  link('/etc/app/../app/./plain.conf', 'links/winding');
  // A chain: link-00 is the file's link, link-39 needs 40 links, link-40 one more than the kernel follows.
  link('../etc/app/plain.conf', 'links/link-00');
  for (let number = 1; number <= 40; number += 1) {
    link(`link-${String(number - 1).padStart(2, '0')}`, `links/link-${String(number).padStart(2, '0')}`);
  }

  execFileSync('mkfifo', [at('kinds/fifo')]);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(at('kinds/socket'), resolve));
  if (process.getuid?.() === 0) execFileSync('mknod', [at('kinds/device'), 'c', '1', '5']);

  writeFileSync(Buffer.concat([Buffer.from(`${directory}/names/`), Buffer.of(0x61, 0xff, 0xc3, 0xa9)]), 'odd name\n');
  writeFileSync(at('names/\u001b[31mred<b>'), 'loud name\n');
  writeFileSync(at('names/ünïcödé 😀'), 'fine name\n');
  for (let number = 0; number < 10_001; number += 1) writeFileSync(at(`many/${String(number)}`), '');

  writeFileSync(at('modes/4755'), '');
  chmodSync(at('modes/4755'), 0o4755);
  writeFileSync(at('modes/0600'), 'abc');
  chmodSync(at('modes/0600'), 0o600);
  mkdirSync(at('modes/1777'));
  chmodSync(at('modes/1777'), 0o1777);

  return {
    directory,
    remove: async () => {
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
