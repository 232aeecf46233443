import t from 'tap';
import { readLabels } from '../../../../agent/inspector/container/labels.ts';
import { createDockerRuntime } from '../../../../agent/runtime/docker/docker-runtime.ts';
import { parseLabels } from '../../../../agent/runtime/labels.ts';
import { testDocker } from '../../../component/docker.ts';
import { liveNode } from '../../inspector/live-node.ts';

const docker = testDocker();

/** `--label` arguments. */
function labels(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => ['--label', `${name}=${value}`]);
}

void t.test('labels of real containers', { skip: 'reason' in docker ? docker.reason : false }, async (t) => {
  if ('reason' in docker) return;
  const { endpoint, start, remove } = docker.docker;
  t.teardown(() => remove('labels-plain', 'labels-many', 'labels-large'));
  const plain = await start(
    'labels-plain',
    ...labels({
      'com.example/tier': 'web',
      empty: '',
      ['__proto__']: 'own',
      'db.password': 'hunter2hunter2',
      source: 'https://ann:s3cr3t-s3cr3t@git.example.net/shop.git',
      long: 'x'.repeat(1025),
    }),
  );
  const many = await start(
    'labels-many',
    ...labels(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`l${String(i)}`, 'x']))),
  );
  // Above 1 MiB the modem filters labels out while the response arrives.
  const large = await start(
    'labels-large',
    ...labels(Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`l${String(i)}`, 'x'.repeat(100_000)]))),
  );
  const runtime = createDockerRuntime({ endpoint });
  const reply = await runtime.containerLabels(plain);
  t.ok(reply.ok);
  t.strictSame(reply.ok && Object.entries(reply.value).sort(([one], [other]) => (one < other ? -1 : 1)), [
    ['__proto__', 'own'],
    ['com.example/tier', 'web'],
    ['db.password', '[redacted]'],
    ['empty', ''],
    ['long', '[omitted]'],
    ['source', 'https://[redacted]@git.example.net/shop.git'],
  ]);
  t.match(await runtime.containerLabels(many), { ok: false, code: 'malformed', reason: /at most 128 entries/ });
  t.match(await runtime.containerLabels(large), { ok: false, code: 'tooLarge' });
  t.match(await runtime.containerLabels('0'.repeat(64)), { ok: false, code: 'notFound' });
  for (const id of [many, large])
    t.match(
      await runtime.inspectContainer(id),
      { ok: true, value: { state: 'running' } },
      'other facts are not affected',
    );

  const read = await readLabels(liveNode(endpoint));
  t.match(read[plain], { state: 'seen', value: { 'com.example/tier': 'web' } });
  t.match(read[many], { state: 'unreadable', reason: /at most 128 entries/ });
  t.match(read[large], { state: 'unreadable', reason: /exceeds 1 MiB/ });
});

void t.test('hostile labels', (t) => {
  for (const value of [7, 'text', [], { a: 7 }, { a: null }, { a: { b: 'c' } }])
    t.match(parseLabels(value, 's'), { ok: false, code: 'malformed' }, JSON.stringify(value));
  t.match(parseLabels({ ['n'.repeat(257)]: '' }, 's'), { ok: false, code: 'tooLarge' });
  const wide = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`l${String(index)}`, 'x'.repeat(1024)]));
  t.match(parseLabels(wide, 's'), { ok: false, code: 'tooLarge' });
  t.end();
});
