import t from 'tap';
import { parseOsRelease } from '../../../image/inventory/distribution.ts';

void t.test('os-release(5)', (t) => {
  const rows: readonly [string, string, unknown][] = [
    [
      'Debian',
      'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n',
      { id: 'debian', versionId: '12', codename: 'bookworm', like: [] },
    ],
    [
      'AlmaLinux',
      'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n',
      { id: 'almalinux', versionId: '9.4', like: ['rhel', 'centos', 'fedora'] },
    ],
    ['a rolling release', "ID='arch'\n", { id: 'arch', like: [] }],
    ['the last value counts', 'ID=a\nID=b\n', { id: 'b', like: [] }],
    ['comments, blanks', '# x\n\n ID=a \nVERSION_ID=\n', { id: 'a', like: [] }],
    ['no ID', 'NAME=x\n', undefined],
    ['an ID that is none', 'ID="a b"\n', undefined],
    ['prototype keys', '__proto__=x\nID=__proto__x\n', { id: '__proto__x', like: [] }],
    ['a version that is none', 'ID=debian\nVERSION_ID="12; x"\n', { id: 'debian', like: [] }],
  ];
  for (const [name, text, wanted] of rows) t.strictSame(parseOsRelease(text), wanted, name);
  t.end();
});
