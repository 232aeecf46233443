import t from 'tap';
import { packageSignatures } from '../../../../posture/check/image/package-signatures.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';

const source = 'GET /images/sha256:ad213b78733c/history';
const steps = (...history: readonly string[]) => ({ history: seen(history, source) });

judgeImages(t, packageSignatures, [
  { name: 'imported', verdict: 'notApplicable' },
  { name: 'not readable', image: { history: unreadable(source, 'no answer within 5 s') }, verdict: 'unknown' },
  { name: 'checked', image: steps('/bin/sh -c apt-get update && apt-get install -y curl'), verdict: 'pass' },
  ...[
    'apt-get install -y --allow-unauthenticated curl',
    'apt-get -o APT::Get::AllowUnauthenticated=true install curl',
    'echo deb [trusted=yes] http://deb.example stable main > /etc/apt/sources.list',
    'dnf install -y --nogpgcheck curl',
    'zypper --no-gpg-checks in curl',
    'apk add --allow-untrusted /tmp/app.apk',
    'xargs apt-get install --force-yes',
    '/usr/bin/dnf install --setopt=gpgcheck=0 curl',
  ].map((command) => ({
    name: command,
    image: steps(`/bin/sh -c true && ${command}`),
    verdict: 'fail' as const,
    seen: [command],
  })),
  ...[
    'echo "--no-gpg-check"',
    "echo '--allow-unauthenticated is not allowed here'",
    'grep -r -- --nogpgcheck /src || true',
    'echo "set trusted=yes at your own risk" > /README',
    'apt-get install -y curl && echo "do not use --force-yes"',
  ].map((command) => ({ name: command, image: steps(`/bin/sh -c true && ${command}`), verdict: 'pass' as const })),
  {
    name: 'within the quotes of a shell',
    image: steps('RUN /bin/sh -c bash -c "apt-get install -y --allow-unauthenticated curl" # buildkit'),
    verdict: 'fail',
  },
  {
    name: 'written by a pipe',
    image: steps(
      'RUN /bin/sh -c echo "deb [trusted=yes] http://d s main" | tee /etc/apt/sources.list.d/x.list # buildkit',
    ),
    verdict: 'fail',
  },
]);
