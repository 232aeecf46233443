import type { SshdFact } from '../../fact/sshd.ts';
import { fail, manual, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { isoTime, quote } from '../evidence-text.ts';
import { isAffected, isLocalInstallation, isOutdated } from '../release.ts';
import type { Vulnerability } from '../release.ts';
import { withoutServer } from './setting.ts';

interface SshdVulnerability extends Vulnerability {
  /** Which builds have it, where that is not all. */
  readonly builds?: string;
}

/** What follows was known on this day. Later releases and advisories are not in it. */
const DATA_MS = Date.UTC(2026, 10, 24);

const RELEASE = (major: number, minor: number, portable = 1): number => major * 1e6 + minor * 1e3 + portable;

/** Vulnerabilities of the server alone, by their CVE records (https://www.cve.org). */
const VULNERABILITIES: readonly SshdVulnerability[] = Object.freeze([
  { id: 'CVE-2018-15473', affected: [[0, RELEASE(7, 8)]] },
  { id: 'CVE-2021-41617', affected: [[RELEASE(6, 2), RELEASE(8, 8)]] },
  { id: 'CVE-2023-25136', affected: [[RELEASE(9, 1), RELEASE(9, 2)]] },
  { id: 'CVE-2023-48795', affected: [[0, RELEASE(9, 6)]] },
  { id: 'CVE-2024-6387', affected: [[RELEASE(8, 5), RELEASE(9, 8)]] },
  { id: 'CVE-2025-26466', affected: [[RELEASE(9, 5), RELEASE(9, 9, 2)]] },
  { id: 'CVE-2025-32728', affected: [[RELEASE(7, 4), RELEASE(10, 0)]] },
  { id: 'CVE-2026-35387', affected: [[0, RELEASE(10, 3)]] },
  { id: 'CVE-2026-35414', affected: [[0, RELEASE(10, 3)]] },
  { id: 'CVE-2026-59999', affected: [[RELEASE(7, 4), RELEASE(10, 4)]] },
  { id: 'CVE-2026-60001', affected: [[0, RELEASE(10, 4)]] },
  { id: 'CVE-2026-106553', affected: [[0, RELEASE(10, 6)]] },
  { id: 'CVE-2026-106585', affected: [[0, RELEASE(10, 6)]] },
  { id: 'CVE-2026-123158', affected: [[0, RELEASE(10, 6, 2)]], builds: 'builds with musl libc and without PAM' },
]);

export const knownVulnerabilities = nodeCheck({
  id: 'ssh.known-vulnerabilities',
  title: 'sshd has no known vulnerabilities',
  failTitle: 'sshd lacks fixes of known vulnerabilities',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'sshd answers everyone who reaches its port, and parts of it run as root: a flaw such as CVE-2024-6387 gives root without a login.',
  remediation:
    'Install the newest openssh-server of your distribution, or build the newest portable release, then restart sshd. For a package of a distribution, look for each CVE that is named in its security tracker: it may have the fix without a new version.',
  references: ['https://www.openssh.com/security.html', 'https://www.openssh.com/releasenotes.html'],
  judges: 'sshd',
  needs: ['clock', 'sshd'],
  judge: ({ clock, sshd: { present, version } }) => {
    const unserved = withoutServer(present);
    if (unserved !== undefined) return unserved;
    if (version.state !== 'seen')
      return unknownBecause(version.state === 'unreadable' ? `${version.source}: ${version.reason}` : version.source);
    return judgeVersion(version, clock.nowMs);
  },
});

function judgeVersion({ value, source }: Extract<SshdFact['version'], { state: 'seen' }>, nowMs: number): Judgement {
  const known = isoTime(DATA_MS).slice(0, 10);
  const evidence = { source, seen: quote(value), expected: `a release with all fixes that were known on ${known}` };
  // In a program, of the packages of dpkg, and of apk.
  const match = /^(OpenSSH_|openssh-server )(\d{1,2})\.(\d{1,2})_?p(\d{1,2})([ -].*)?$/.exec(value);
  if (match === null) return unknownBecause('the version of sshd is not understood', evidence);
  const [, form, major, minor, portable, mark] = match;
  const release = RELEASE(Number(major), Number(minor), Number(portable));
  const missing = VULNERABILITIES.filter((one) => isAffected(one, release));
  const always = missing.filter(({ builds }) => builds === undefined);
  if (always.length > 0) {
    const problem = `fixes of ${always.map(({ id }) => id).join(', ')} are missing`;
    // RHEL, SUSE and Alpine mark their builds in no way; but no distribution installs to /usr/local.
    return form === 'OpenSSH_' && mark === undefined && isLocalInstallation(source)
      ? fail(problem, evidence)
      : unknownBecause(
          `by the release alone, ${problem}; the package of a distribution may have them: look for them in its security tracker`,
          evidence,
        );
  }
  const [some] = missing;
  if (some !== undefined)
    return manual(`${some.id} is in ${some.builds ?? 'some builds'}: confirm that this sshd is another`, evidence);
  return isOutdated(DATA_MS, nowMs)
    ? unknownBecause(`what is known about releases is of ${known}: update Plimsoll`, evidence)
    : pass(evidence);
}
