import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readContentTrust } from '../../../../agent/inspector/docker/content-trust.ts';
import { contentTrust } from '../../../../posture/check/daemon/content-trust.ts';
import { factsOf, dockerFact } from '../../../fixture/facts.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree, TreeHost } from '../../../fixture/inspector/tree.ts';

async function judge(host: TreeHost) {
  return contentTrust.judge(factsOf({ docker: dockerFact({ contentTrust: await readContentTrust(host) }) }));
}

t.test('content trust of clients, from the environment of people who log in', async (t) => {
  const of = (tree: Tree) => judge(treeHost(t, tree));
  t.match(await of({}), { verdict: 'manual', evidence: [{ seen: 'not set' }] });
  t.match(await of({ '/etc/environment': 'PATH=/bin\nDOCKER_CONTENT_TRUST=1\n' }), {
    verdict: 'manual',
    evidence: [{ source: '/etc/environment:2', seen: 'DOCKER_CONTENT_TRUST=1' }],
  });
  t.match(await of({ '/etc/profile.d/docker.sh': 'export DOCKER_CONTENT_TRUST="0" # for now\n' }), {
    verdict: 'fail',
    evidence: [{ source: '/etc/profile.d/docker.sh:1' }],
  });
  t.match(
    await of({ '/etc/profile.d/docker.csh': 'DOCKER_CONTENT_TRUST=0\n' }),
    { verdict: 'manual' },
    'not read by sh',
  );
  t.match(await of({ '/etc/environment': '#DOCKER_CONTENT_TRUST=0\nMY_DOCKER_CONTENT_TRUST=0\n' }), {
    evidence: [{ seen: 'not set' }],
  });
  const secret = await of({ '/etc/environment': 'DOCKER_CONTENT_TRUST=1; TOKEN=correct-horse-9\n' });
  t.notMatch(JSON.stringify(secret), /correct-horse/);
  const open = treeHost(t, { '/etc/environment': 'DOCKER_CONTENT_TRUST=1\n' });
  chmodSync(join(open.root, 'etc/environment'), 0o666);
  t.match(await judge(open), { verdict: 'unknown', reason: /writable by everybody/ });
});
