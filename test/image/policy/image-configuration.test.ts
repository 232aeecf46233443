import fc from 'fast-check';
import t from 'tap';
import { setuidFact } from '../../../image/inventory/setuid-collection.ts';
import { readImageConfiguration } from '../../../image/policy/image-configuration.ts';
import { CHECKS } from '../../../posture/check/registry.ts';

const image = {
  id: `sha256:${'c'.repeat(64)}`,
  tags: ['shop/db:1'],
  setuidFiles: setuidFact({ files: [{ path: '/usr/bin/sudo', mode: 0o4755 }], gaps: [] }),
};
/** As BuildKit writes it. */
const CONFIG = {
  created: '2026-11-20T10:00:00.123456789Z',
  architecture: 'arm64',
  os: 'linux',
  config: { User: '10001', Env: ['PATH=/bin', 'DB_PASSWORD=hunter2'], Healthcheck: { Test: ['CMD', '/health'] } },
  rootfs: { type: 'layers', diff_ids: [] },
  history: [
    { created: '2026-11-20T10:00:00Z', created_by: 'COPY app /app # buildkit' },
    { created_by: 'ENV DB_PASSWORD=hunter2', empty_layer: true },
  ],
};

function read(value: unknown): ReturnType<typeof readImageConfiguration> {
  return readImageConfiguration(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), image);
}

void t.test('reads time, architecture and the answers of all checks of images', (t) => {
  const result = read(CONFIG);
  if (result.state !== 'seen') throw new Error(result.state);
  const { createdAt, architecture, checks } = result.value;
  t.match(createdAt, { state: 'seen', value: Date.parse('2026-11-20T10:00:00.123Z') });
  t.match(architecture, { state: 'seen', value: 'arm64' });
  t.strictSame(
    [...checks.keys()],
    CHECKS.filter(({ judges }) => judges === 'image').map(({ id }) => id),
  );
  t.equal(checks.get('image.default-user')?.verdict, 'pass');
  t.equal(checks.get('image.healthcheck')?.verdict, 'pass');
  t.equal(checks.get('image.history-secret')?.verdict, 'fail');
  t.equal(checks.get('image.environment-secret')?.verdict, 'fail');
  t.match(checks.get('image.setuid-files'), { verdict: 'fail', reason: /\/usr\/bin\/sudo/ });
  t.notMatch(JSON.stringify([...checks]), /hunter2/);
  t.end();
});

void t.test('secrets in the environment are named, their values are kept nowhere', (t) => {
  const secretsOf = (...Env: readonly string[]): readonly string[] => {
    const result = read({ config: { Env } });
    if (result.state !== 'seen' || result.value.environmentSecrets.state !== 'seen') throw new Error('not seen');
    t.notMatch(JSON.stringify([result, [...result.value.checks]]), /hunter2|AKIAIOSFODNN7EXAMPLE/);
    return result.value.environmentSecrets.value;
  };
  t.strictSame(secretsOf('PATH=/bin', 'NPM_TOKEN=hunter2', 'DB_PASSWORD=hunter2=', 'LANG=C.UTF-8'), [
    'DB_PASSWORD',
    'NPM_TOKEN',
  ]);
  t.strictSame(secretsOf('DATABASE_URL=postgres://app:hunter2@db/shop'), ['DATABASE_URL'], 'by the form of the value');
  // The documentation's own example of an access key.
  t.strictSame(secretsOf('NOTE=AKIAIOSFODNN7EXAMPLE'), ['NOTE']);
  t.strictSame(secretsOf('DB_PASSWORD_FILE=/run/secrets/db', 'DB_PASSWORD=', 'PIP_NO_CACHE_DIR=1', 'TOKEN_TTL=60'), []);
  t.strictSame(secretsOf(`${'x'.repeat(300)}AKIAIOSFODNN7EXAMPLE`, 'AKIAIOSFODNN7EXAMPLE').length > 0, true);
  t.equal(read({ config: { env: ['DB_PASSWORD=hunter2'] } }).state, 'unreadable', 'runtimes read env as Env');
  t.equal(read({ config: { Env: 'DB_PASSWORD=hunter2' } }).state, 'unreadable');
  t.equal(read({ config: { Env: Array.from({ length: 5000 }, () => 'A=1') } }).state, 'unreadable');
  t.end();
});

void t.test('what is missing is absent or unknown, never a pass', (t) => {
  const result = read({});
  if (result.state !== 'seen') throw new Error(result.state);
  const { createdAt, architecture, checks } = result.value;
  t.equal(createdAt.state, 'absent');
  t.equal(architecture.state, 'absent');
  t.equal(checks.get('image.default-user')?.verdict, 'fail', 'no user is root');
  t.equal(checks.get('image.healthcheck')?.verdict, 'fail');
  t.equal(checks.get('image.history-secret')?.verdict, 'unknown', 'a history that was left out hides secrets');
  t.end();
});

void t.test('malformed', (t) => {
  const rows: readonly (readonly [value: unknown, reason: RegExp])[] = [
    ['', /not valid JSON/],
    ['{"a":hunter2}', /not valid JSON/],
    [[], /expected an object/],
    [{ config: { user: '10001' } }, /other case/],
    ['{"config":{"User":"10001","User":""}}', /same key twice/],
    [{ config: [] }, /\.config: expected an object/],
    [{ config: { User: 0 } }, /\.config\.User: expected a string/],
    [{ history: [{ created_by: 7 }] }, /created_by: expected a string/],
    [{ history: Array.from({ length: 2000 }, () => ({})) }, /\.history: expected at most 1024 items/],
    [{ created: 'x'.repeat(100) }, /\.created: expected at most 64/],
  ];
  for (const [value, reason] of rows) {
    const result = read(value);
    t.equal(result.state, 'unreadable');
    if (result.state === 'unreadable') {
      t.match(result.reason, reason);
      t.notMatch(result.reason, /hunter2/);
    }
  }
  for (const created of ['yesterday', '2026', '12', '2026-13-45T99:00:00Z']) {
    const result = read({ created });
    t.equal(result.state === 'seen' && result.value.createdAt.state, 'unreadable', created);
  }
  t.end();
});

void t.test('never throws', (t) => {
  fc.assert(
    fc.property(fc.json(), (text) => void read(text)),
    { seed: 1 },
  );
  t.end();
});
