import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../agent/host/linux.ts';
import { createRecorder } from '../../agent/record/recorder.ts';
import { observeAll } from '../../agent/inspector/observe.ts';
import { compileExpression, evaluate } from '../../posture/expression.ts';
import { historySecret } from '../../posture/check/image/history-secret.ts';
import { project } from '../../posture/projection.ts';
import { temporaryDirectory } from '../agent/record/temporary-directory.ts';
import { nodeOf } from '../agent/record/node-of.ts';
import { liveNode } from '../agent/inspector/live-node.ts';
import { plimsoll } from '../cli/process.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';

/*
 * Secrets that somebody else left in an image, and recordings that somebody else made. No answer, finding or recording
 * may hold what was planted.
 */

const found = testDocker();
const RUN = `attack-secrets-${String(process.pid)}`;
const PLANTED = 'hunter2Xq7vT2mN9k';

/** Build steps, each with the secret once. */
const DOCKERFILE = `FROM ${TEST_IMAGE}
ENV DB_PASS=${PLANTED}
ENV GREETING="hello ${PLANTED}" LANG=C
ENV LOOSE ${PLANTED} and more
ARG TOKEN=${PLANTED}
ARG COLOUR=${PLANTED}
LABEL example.password=${PLANTED}
CMD ["redis-server", "--requirepass", "${PLANTED}"]
RUN true || mysql -p${PLANTED}
RUN true || curl -u me:${PLANTED} https://${PLANTED}@example.org/
HEALTHCHECK CMD redis-cli -a ${PLANTED} ping
`;

t.test('an image full of secrets', { skip: 'reason' in found ? found.reason : false }, async (t) => {
  if ('reason' in found) return;
  const { docker } = found;
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'Dockerfile'), DOCKERFILE);
  const image = `plimsoll-test/${RUN}`;
  t.teardown(() => docker.docker('rmi', '-f', image));
  process.env['DOCKER_BUILDKIT'] = '0';
  await docker.docker('build', '-q', '-t', image, directory);
  const history = await docker.docker('history', '--no-trunc', '--format', '{{.CreatedBy}}', image);
  t.ok(history.split(PLANTED).length > 10, 'the engine shows them to everybody');
  const name = `plimsoll-test-${RUN}`;
  t.teardown(() => docker.docker('rm', '-f', name));
  await docker.docker('run', '-d', '--name', name, '--network', 'none', '-e', `A=${PLANTED}`, image, 'sleep', '3600');

  const recorder = createRecorder(liveNode(docker.endpoint));
  const facts = await observeAll(recorder.access);
  t.notMatch(JSON.stringify(facts), PLANTED, 'in no fact');
  const compiled = compileExpression('images.map(i, i.history)');
  if (!compiled.ok) throw new Error(compiled.problem);
  const answer = JSON.stringify(evaluate(compiled.expression, project(facts)));
  t.match(answer, /ENV DB_PASS=\[redacted\]/, 'the name stays');
  t.notMatch(answer, PLANTED, 'in no answer');
  const images = facts.images.state === 'seen' ? facts.images.value : [];
  const own = images.find(({ tags }) => tags.some((tag) => tag.startsWith(image)));
  if (own === undefined) throw new Error('the image was not seen');
  t.match(own.healthcheck.join(' '), /redis-cli -a \[redacted\] ping/);
  const judged = historySecret.judge(own, facts);
  t.equal(judged.verdict, 'fail');
  t.notMatch(JSON.stringify(judged), PLANTED);
  t.ok(judged.evidence.length >= 6, 'each step that holds one is reported');

  const recording = join(directory, 'recording');
  t.match(await recorder.save(recording), { ok: true });
  const { stdout, stderr } = await plimsoll(['scan', '--recorded', recording, '--output', 'json']);
  t.match(stdout, /image\.history-secret/, 'the recording is judged');
  t.notMatch(stdout + stderr, PLANTED);
});

t.test('a recording that leads to its reader', async (t) => {
  for (const [name, target] of [
    ['proc', '/proc'],
    ['host/proc', '/proc'],
    ['host/environ', '/proc/self/environ'],
  ] as const) {
    const directory = join(temporaryDirectory(t), 'recording');
    const recorder = createRecorder(
      nodeOf(createLinuxHost({ root: t.testdir({ etc: { 'os-release': 'NAME=x\n' } }) })),
    );
    await recorder.access.host.readFile('/etc/os-release');
    t.match(await recorder.save(directory), { ok: true });
    const answer = {
      op: 'readFile',
      target: '/etc/docker/daemon.json',
      file: name.replace(/proc$/, 'proc/self/environ'),
      bytes: 1,
    };
    writeFileSync(join(directory, 'results.ndjson'), `${JSON.stringify(answer)}\n`);
    mkdirSync(join(directory, 'host'), { recursive: true });
    symlinkSync(target, join(directory, name));
    const { code, stdout, stderr } = await plimsoll(['scan', '--recorded', directory], { READER_TOKEN: PLANTED });
    t.equal(code, 2, name);
    t.match(stderr, `${name}: a symbolic link`, 'the entry is named');
    t.notMatch(stdout + stderr, PLANTED, 'and nothing of the reader is shown');
  }
});
