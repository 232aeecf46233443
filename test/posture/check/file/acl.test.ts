import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { unreadAclText } from '../../../../posture/check/evidence-text.ts';

/** Prints a line `MODE rwx` for each mode of group and others: what uid 65534 may do by an entry of its own. */
const SCRIPT = `
for group in 0 1 2 3 4 5 6 7; do for others in 0 1 2 3 4 5 6 7; do
  file=$1/$group$others; : > $file
  setfacl -m u:65534:rwx $file && chmod 07$group$others $file && echo 07$group$others $file
done; done | setpriv --reuid=65534 --clear-groups bash -c 'while read mode file; do
  rights=; for right in r w x; do test -$right $file && rights=$rights$right; done; echo $mode $rights
done'`;

const skip =
  process.getuid?.() !== 0
    ? 'needs root to act as another user'
    : spawnSync('setfacl', ['--version']).status !== 0 && 'setfacl is not installed';

void t.test(
  'an access control list grants what the mode does not show only where the evidence says so',
  { skip },
  (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'plimsoll-acl-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    spawnSync('chmod', ['755', directory]);
    const done = spawnSync('bash', ['-c', SCRIPT, 'acl', directory], { encoding: 'utf8' });
    const lines = done.stdout.trim().split('\n');
    t.equal(lines.length, 64, done.stderr);
    let beyond = 0;
    for (const line of lines) {
      const [text = '', rights = ''] = line.split(' ');
      const mode = parseInt(text, 8);
      const isBeyond = ['r', 'w', 'x'].some((right, index) => rights.includes(right) && (mode & (4 >> index)) === 0);
      if (isBeyond) beyond += 1;
      t.equal(unreadAclText(mode) !== '', isBeyond, `${text}: uid 65534 has ${rights}`);
    }
    t.equal(beyond, 37, 'a list matters where the group bits exceed those of others');
    t.end();
  },
);
