import t from 'tap';
import { authorizationPluginBypass } from '../../../../posture/check/daemon/authorization-plugin-bypass.ts';
import type { DockerFact } from '../../../../posture/fact/docker.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { ABSENT, api, docker, noApi } from '../../../fixture/docker-rows.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

// Which tag has which fix: `git tag --contains` of the fixing commits in moby; of the package: its changelog.
const STATUS = '/var/lib/dpkg/status';
const version = (text: string): Pick<DockerFact, 'api'> => api({ version: text, authorizationPlugins: ['plimsoll'] });
const none: Pick<DockerFact, 'package'> = { package: absent(STATUS) };
const debian = (name: string, text: string): Pick<DockerFact, 'package'> => ({
  package: seen({ name, version: text }, STATUS),
});
const releases = (verdict: 'pass' | 'fail', ...versions: readonly string[]) =>
  versions.map((text) => ({ name: text, facts: docker(version(text), none), verdict, seen: [text] }));

judgeNodes(t, authorizationPluginBypass, [
  ...releases('fail', '18.06.3', '19.03.15', '20.10.27', '23.0.15', '24.0.9', '25.0.6', '25.0.15', '26.1.5', '27.5.1'),
  ...releases('fail', '28.5.2', '29.0.0', '29.3.0', '29.3.1-rc.1'),
  ...releases('pass', '25.0.16', '25.0.17', '29.3.1', '29.4.0', '30.0.0'),
  {
    name: 'both vulnerabilities are named',
    facts: docker(version('27.1.0'), none),
    verdict: 'fail',
    reason: /CVE-2024-41110 and CVE-2026-34040/,
  },
  { name: 'one of them', facts: docker(version('27.1.1'), none), verdict: 'fail', reason: /of CVE-2026-34040/ },
  {
    name: 'Debian 13 with the fix',
    facts: docker(version('26.1.5+dfsg1'), debian('docker.io', '26.1.5+dfsg1-9+deb13u1')),
    verdict: 'pass',
    seen: ['26.1.5+dfsg1', 'docker.io 26.1.5+dfsg1-9+deb13u1'],
  },
  {
    name: 'Debian 13 before it',
    facts: docker(version('26.1.5+dfsg1'), debian('docker.io', '26.1.5+dfsg1-9+b1')),
    verdict: 'unknown',
  },
  {
    name: 'Ubuntu, which fixes without a new version',
    facts: docker(version('27.5.1'), debian('docker.io', '27.5.1-0ubuntu3')),
    verdict: 'unknown',
  },
  {
    name: 'the packages of Docker have no fixes of their own',
    facts: docker(version('27.5.1'), debian('docker-ce', '5:27.5.1-1~debian.12~bookworm')),
    verdict: 'fail',
  },
  {
    name: 'a build of a distribution, package absent',
    facts: docker(version('26.1.5+dfsg1'), none),
    verdict: 'unknown',
  },
  {
    name: 'a database of packages that is not read',
    facts: docker(version('25.0.8'), { package: unreadable('/var/lib/rpm', 'not read') }),
    verdict: 'unknown',
  },
  { name: 'a version of another form', facts: docker(version('dev'), none), verdict: 'unknown' },
  { name: 'no plugin', facts: docker(api({ version: '20.10.0' })), verdict: 'notApplicable' },
  { name: 'engine silent', facts: docker(noApi), verdict: 'unknown' },
  ABSENT,
]);
