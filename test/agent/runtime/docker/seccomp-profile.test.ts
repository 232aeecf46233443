import t from 'tap';
import { summarizeProfile } from '../../../../agent/runtime/docker/seccomp-profile.ts';

const errno = (syscalls: unknown): string => JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', syscalls });
const allow = (syscalls: unknown): string => JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls });

t.test('what a profile allows without condition', (t) => {
  t.match(summarizeProfile(errno([])), { defaultAction: 'SCMP_ACT_ERRNO', allowed: [] });
  t.match(summarizeProfile(allow(null)), { withheld: 0 });
  const rules: readonly (readonly [string, string, boolean])[] = [
    ['a list that allows', errno([{ names: ['read', 'mount'], action: 'SCMP_ACT_ALLOW' }]), true],
    ['the older form', errno([{ name: 'mount', action: 'SCMP_ACT_ALLOW' }]), true],
    ['logged, and let through', errno([{ names: ['mount'], action: 'SCMP_ACT_LOG' }]), true],
    [
      'with a capability only',
      errno([{ names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } }]),
      false,
    ],
    ['with some arguments only', errno([{ names: ['mount'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0 }] }]), false],
    ['denied', allow([{ names: ['mount'], action: 'SCMP_ACT_ERRNO' }]), false],
    ['denied with some arguments only', allow([{ names: ['mount'], action: 'SCMP_ACT_ERRNO', args: [{}] }]), true],
    [
      'denied without a capability',
      allow([{ names: ['mount'], action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_SYS_ADMIN'] } }]),
      false,
    ],
  ];
  for (const [name, text, isAllowed] of rules)
    t.equal(summarizeProfile(text)?.allowed.includes('mount'), isAllowed, name);
  t.end();
});

t.test('what is no profile', (t) => {
  for (const text of ['', '/etc/profile.json', '[]', '{}', '{"defaultAction":1}', ' '.repeat(2 * 1024 * 1024)])
    t.equal(summarizeProfile(text), null);
  t.end();
});
