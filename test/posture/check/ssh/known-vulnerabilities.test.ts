import t from 'tap';
import { knownVulnerabilities } from '../../../../posture/check/ssh/known-vulnerabilities.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import { fact, UNJUDGED } from './sshd-facts.ts';

const LOCAL = '/usr/local/sbin/sshd';
const release = (version: string, source = LOCAL): Partial<Facts> => fact({ version: seen(version, source) });

judgeNodes(t, knownVulnerabilities, [
  // Affected and fixed releases by the CVE records and secfixes of Alpine.
  { name: 'own build with all fixes', facts: release('OpenSSH_10.6p2'), verdict: 'pass', seen: ['OpenSSH_10.6p2'] },
  {
    name: 'own build without the fix for musl',
    facts: release('OpenSSH_10.6p1'),
    verdict: 'manual',
    reason: /CVE-2026-123158 is in builds with musl/,
  },
  {
    name: 'own build of 10.5',
    facts: release('OpenSSH_10.5p1'),
    verdict: 'fail',
    reason: /^fixes of CVE-2026-106553, CVE-2026-106585 are missing$/,
  },
  {
    name: '9.9p2 has one fix more than 9.9p1',
    facts: release('OpenSSH_9.9p2'),
    verdict: 'fail',
    reason: /^fixes of CVE-2025-32728, CVE-2026-35387/,
  },
  { name: '9.9p1', facts: release('OpenSSH_9.9p1'), verdict: 'fail', reason: /^fixes of CVE-2025-26466, / },
  { name: 'the last with the race', facts: release('OpenSSH_9.7p1'), verdict: 'fail', reason: /CVE-2024-6387/ },
  {
    name: 'before the race came back: 8.4 has others',
    facts: release('OpenSSH_8.4p1'),
    verdict: 'fail',
    reason: /^fixes of CVE-2021-41617, CVE-2023-48795, CVE-2025-32728, /,
  },
  {
    name: '10.10 is after 10.6',
    facts: release('OpenSSH_10.10p1'),
    verdict: 'pass',
  },
  {
    name: 'a build of Debian',
    facts: release('OpenSSH_10.0p2 Debian-7+deb13u4', '/usr/sbin/sshd'),
    verdict: 'unknown',
    reason: /CVE-2026-35414.*distribution may have them/,
  },
  {
    name: 'the mark of a distribution, wherever it is',
    facts: release('OpenSSH_8.9p1 Ubuntu-3ubuntu0.10'),
    verdict: 'unknown',
  },
  {
    name: 'RHEL does not mark its build',
    facts: release('OpenSSH_8.7p1', '/usr/sbin/sshd'),
    verdict: 'unknown',
    reason: /CVE-2024-6387/,
  },
  {
    name: 'only the package of Alpine can be read',
    facts: release('openssh-server 9.7_p1-r4', '/lib/apk/db/installed'),
    verdict: 'unknown',
    reason: /CVE-2024-6387/,
  },
  {
    name: 'a package of Debian with all fixes',
    facts: release('openssh-server 10.7p1-1', '/var/lib/dpkg/status'),
    verdict: 'pass',
  },
  ...['OpenSSH_10.6', 'OpenSSH_10.6p2.1', 'OpenSSH_1000.6p2', 'dropbear_2026.91'].map((version) => ({
    name: `not a version: ${version}`,
    facts: release(version),
    verdict: 'unknown' as const,
    reason: /not understood/,
  })),
  {
    name: 'data of more than a year',
    facts: { ...release('OpenSSH_10.6p2'), clock: { nowMs: Date.UTC(2028, 0, 1) } },
    verdict: 'unknown',
    reason: /update Plimsoll/,
  },
  {
    name: 'what was missing then is still missing',
    facts: { ...release('OpenSSH_9.7p1'), clock: { nowMs: Date.UTC(2028, 0, 1) } },
    verdict: 'fail',
  },
  {
    name: 'the program was replaced while it runs',
    facts: fact({ version: unreadable('/usr/sbin/sshd (deleted)', 'its version was not found') }),
    verdict: 'unknown',
  },
  ...UNJUDGED.filter(({ name }) => name !== 'not for us'),
]);
