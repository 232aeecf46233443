import t from 'tap';
import { packageIndexLayer } from '../../../../posture/check/image/package-index-layer.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { factsOf, imageFact } from '../../../fixture/facts.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';
import type { ImageRow } from '../../../fixture/verdict-table.ts';

const source = 'GET /images/sha256:ad213b78733c/history';
const steps = (...history: readonly string[]) => ({ history: seen(history, source) });
const fails = (step: string, command: string): ImageRow => ({
  name: step,
  image: steps(step),
  verdict: 'fail',
  seen: [command],
});
const passes = (step: string): ImageRow => ({ name: step, image: steps(step), verdict: 'pass' });

judgeImages(t, packageIndexLayer, [
  { name: 'imported', verdict: 'notApplicable', reason: /imported/ },
  {
    name: 'not readable',
    image: { history: unreadable(source, 'no answer within 5 s') },
    verdict: 'unknown',
    reason: /no answer/,
  },
  // The old builder, BuildKit, build arguments, other shells.
  fails('/bin/sh -c apt-get update', 'apt-get update'),
  fails('RUN /bin/sh -c apt-get update # buildkit', 'apt-get update'),
  fails('RUN |1 VERSION=1.2 /bin/sh -c apt-get -qq update # buildkit', 'apt-get -qq update'),
  fails('|2 A=1 B=2 /bin/sh -c apt-get update', 'apt-get update'),
  fails('RUN /bin/bash -o pipefail -c apt update', 'apt update'),
  fails('/bin/bash -euxo pipefail -c DEBIAN_FRONTEND=noninteractive apt-get update', 'apt-get update'),
  fails('/bin/sh -c apt-get -o Acquire::Retries=3 update && rm -rf /tmp/*', 'apt-get -o Acquire::Retries=3 update'),
  fails('/bin/sh -c if true; then sudo apt-get update; fi', 'apt-get update'),
  fails('/bin/sh -c apk --no-progress update', 'apk --no-progress update'),
  fails('/bin/sh -c dnf -y makecache', 'dnf -y makecache'),
  fails('/bin/sh -c zypper --non-interactive refresh', 'zypper --non-interactive refresh'),
  fails('RUN apt-get update', 'apt-get update'),
  passes('/bin/sh -c apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*'),
  passes('RUN /bin/sh -c set -eux; apt-get update; xargs -a /tmp/list apt-get -y install; # buildkit'),
  passes('RUN /bin/sh -c apt-get update\napt-get install -y curl\n # buildkit'),
  passes('/bin/sh -c apk update && apk add --no-cache curl'),
  passes('/bin/sh -c apk --update add curl'),
  passes('/bin/sh -c yum update -y'),
  passes('/bin/sh -c update-ca-certificates'),
  passes('/bin/sh -c npm update'),
  passes('/bin/sh -c echo "apt-get update"'),
  passes('CMD ["apt-get" "update"]'),
  passes('/bin/sh -c #(nop)  CMD ["apt-get" "update"]'),
  {
    name: 'the step is named',
    image: steps(
      '/bin/sh -c #(nop) ADD file:ab in / ',
      '/bin/sh -c apt-get update',
      '/bin/sh -c apt-get install -y curl',
    ),
    verdict: 'fail',
    seen: ['apt-get update'],
  },
]);

const history = seen(
  Array.from({ length: 100 }, () => 'RUN apt-get update'),
  source,
);
t.equal(packageIndexLayer.judge({ ...bounded(), history }, factsOf()).evidence.length, 8, 'evidence is bounded');

function bounded() {
  return imageFact({ id: 'sha256:ad21' });
}
