import * as fc from 'fast-check';
import t from 'tap';
import { renderConfigurationPage } from '../../../service/config/document.ts';
import { parseConfigFile } from '../../../service/config/file.ts';
import { loadSettings } from '../../../service/config/load.ts';
import type { Loaded, LoadRequest } from '../../../service/config/load.ts';
import { describeProblem } from '../../../service/config/problem.ts';
import { SETTING_NAMES } from '../../../service/config/settings.ts';

const DEFAULT_FILE = '/etc/plimsoll/config.yaml';

function load(request: Partial<LoadRequest> & { files?: Record<string, string> }): Promise<Loaded> {
  const { files = {}, ...rest } = request;
  return loadSettings({
    programs: ['agent'],
    flags: {},
    environment: {},
    readFile: (path) => Promise.resolve(files[path]),
    uid: 1000,
    home: '/home/anna',
    workingDirectory: '/srv',
    ...rest,
  });
}

async function settingsOf(request: Parameters<typeof load>[0]) {
  const loaded = await load(request);
  if (!loaded.ok) throw new Error(loaded.problems.map(describeProblem).join('\n'));
  return loaded;
}

async function problemsOf(request: Parameters<typeof load>[0]): Promise<readonly string[]> {
  const loaded = await load(request);
  return loaded.ok ? [] : loaded.problems.map(describeProblem);
}

void t.test('flag beats environment beats file beats default, and the origin is returned', async (t) => {
  const files = { [DEFAULT_FILE]: '# ours\nsweep-interval: 1h\nlog-level: warn\ncollector: c.example:7443\n' };
  const environment = { PLIMSOLL_SWEEP_INTERVAL: '2h', PLIMSOLL_LOG_LEVEL: 'error' };
  const { settings, origins } = await settingsOf({ files, environment, flags: { 'sweep-interval': '3h' } });
  t.equal(settings.sweepInterval, 3 * 3_600_000);
  t.equal(settings.logLevel, 'error');
  t.same(settings.collector, { host: 'c.example', port: 7443 });
  t.equal(settings.heartbeatInterval, 30_000);
  t.same(origins.get('sweep-interval'), { origin: 'flag', from: '--sweep-interval', text: '3h' });
  t.same(origins.get('log-level'), { origin: 'environment', from: 'PLIMSOLL_LOG_LEVEL', text: 'error' });
  t.same(origins.get('collector'), { origin: 'file', from: `${DEFAULT_FILE}:4`, text: 'c.example:7443' });
  t.equal(origins.get('heartbeat-interval')?.origin, 'default');
  t.equal(origins.has('api'), false, 'an agent has no operator API');
});

void t.test('defaults follow the user, and data-dir', async (t) => {
  const root = await settingsOf({ uid: 0, home: '/root' });
  t.equal(root.settings.dataDir, '/var/lib/plimsoll');
  t.equal(root.settings.tlsKey, '/var/lib/plimsoll/tls/agent-key.pem');
  t.equal((await settingsOf({})).settings.dataDir, '/home/anna/.local/state/plimsoll');
  const state = await settingsOf({ environment: { XDG_STATE_HOME: '/state' } });
  t.equal(state.settings.dataDir, '/state/plimsoll');
  t.equal(
    (await settingsOf({ environment: { XDG_STATE_HOME: 'relative' } })).settings.dataDir,
    '/home/anna/.local/state/plimsoll',
  );
  const flag = await settingsOf({ programs: ['collector'], flags: { 'data-dir': 'here' } });
  t.equal(flag.settings.dataDir, '/srv/here', 'a relative path starts at the working directory');
  t.equal(flag.settings.tlsCert, '/srv/here/tls/collector.pem');
  t.equal(flag.settings.tokenFile, '/srv/here/operator-token');
  t.equal(flag.settings.sinkNdjson, '/srv/here/events.ndjson');
});

void t.test('variables of other programs come after the file', async (t) => {
  const environment = { DOCKER_HOST: 'unix:///run/user/1000/docker.sock', NO_COLOR: '1' };
  const { settings, origins } = await settingsOf({ programs: ['scan'], environment });
  t.equal(settings.dockerHost, 'unix:///run/user/1000/docker.sock');
  t.equal(origins.get('docker-host')?.from, 'DOCKER_HOST');
  t.equal(settings.color, 'never');
  const files = { [DEFAULT_FILE]: 'docker-host: unix:///file.sock' };
  t.equal((await settingsOf({ environment, files })).settings.dockerHost, 'unix:///file.sock');
  const own = { ...environment, PLIMSOLL_DOCKER_HOST: 'unix:///own.sock' };
  t.equal((await settingsOf({ environment: own, files })).settings.dockerHost, 'unix:///own.sock');
  t.equal((await settingsOf({ environment: { NO_COLOR: '' } })).settings.color, 'auto', 'empty means not set');
  const remote = { DOCKER_HOST: 'ssh://far' };
  t.equal((await settingsOf({ environment: remote })).settings.dockerHost, '', 'it is meant for other programs');
  t.match(await problemsOf({ environment: { PLIMSOLL_DOCKER_HOST: 'ssh://far' } }), [
    /^PLIMSOLL_DOCKER_HOST: expected .*unix:/,
  ]);
  const runtimes = 'unix:///run/containerd/containerd.sock,unix:///run/podman/podman.sock';
  t.equal(
    (await settingsOf({ environment: { PLIMSOLL_RUNTIME_ENDPOINT: runtimes } })).settings.runtimeEndpoint,
    runtimes,
  );
  for (const text of [
    'tcp://127.0.0.1:1',
    'unix://run/x.sock',
    '/run/x.sock',
    'unix:///a,',
    Array(17).fill('unix:///a').join(','),
  ])
    t.match(await problemsOf({ environment: { PLIMSOLL_RUNTIME_ENDPOINT: text } }), [
      /^PLIMSOLL_RUNTIME_ENDPOINT: expected/,
    ]);
});

void t.test('problems name the place, the setting, what is allowed and the nearest name', async (t) => {
  const text = 'listn: 127.0.0.1:1\nsweep-interval: soon\napi:\n  - 1\ncolor: true\nspool-max-bytes: 5\n';
  const problems = await problemsOf({ files: { '/c.yaml': text }, flags: { config: '/c.yaml' } });
  t.match(problems, [
    '/c.yaml:3: api: expected a single value, not a list, a mapping or nothing',
    '/c.yaml:1: listn: unknown setting; did you mean listen?',
    '/c.yaml:2: sweep-interval: expected a duration such as 30s, 15m or 1h, from 10s to 7d, got "soon"',
    '/c.yaml:6: spool-max-bytes: expected a size such as 64MiB or 1GiB, from 1MiB to 64GiB, got "5"',
    '/c.yaml:5: color: expected one of auto, always, never, got "true"',
  ]);
  t.match(await problemsOf({ flags: { 'log-levle': 'info' } }), [
    '--log-levle: unknown setting; did you mean log-level?',
  ]);
  t.match(await problemsOf({ flags: { api: '127.0.0.1:1' } }), [/--api: unknown setting/], 'not a flag of the agent');
  t.match(await problemsOf({ environment: { PLIMSOLL_COLLECTOR: 'far:99999' } }), [
    /PLIMSOLL_COLLECTOR: expected host:port/,
  ]);
  t.match(await problemsOf({ environment: { PLIMSOLL_CONFIG: '/no.yaml' } }), ['/no.yaml: there is no such file']);
  t.match(await problemsOf({ files: { [DEFAULT_FILE]: 'a: [' } }), [/config\.yaml:1:\d+: not valid YAML \(/]);
  t.match(await problemsOf({ files: { [DEFAULT_FILE]: '- a' } }), [/expected one setting a line/]);
  t.match(await problemsOf({ files: { [DEFAULT_FILE]: 'color: never\ncolor: auto' } }), [
    /config\.yaml:2:1: not valid YAML \(DUPLICATE_KEY\)/,
  ]);
});

void t.test('what is hostile stays bounded and printable', async (t) => {
  const [problem] = await problemsOf({ environment: { PLIMSOLL_LISTEN: `\u001b[31m${'x'.repeat(1000)}` } });
  t.ok((problem ?? '').length < 300);
  t.equal(problem?.includes('\u001b'), false);
  t.match(await problemsOf({ files: { [DEFAULT_FILE]: `color: ${'x'.repeat(300_000)}` } }), [/longer than/]);
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...Array.from('bcdefghij', (name, index) => {
      const before = String.fromCodePoint(97 + index);
      return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(',')}]`;
    }),
  ].join('\n');
  t.ok((await problemsOf({ files: { [DEFAULT_FILE]: bomb } })).length > 0, 'aliases are not blown up');
});

void t.test('an unreadable default file and a mistyped variable are warnings', async (t) => {
  const readFile = () => Promise.reject(new Error('EACCES: permission denied'));
  const unreadable = await settingsOf({ readFile });
  t.match(unreadable.warnings, [/config\.yaml is not used, it could not be read: EACCES/]);
  t.match(await problemsOf({ readFile, flags: { config: '/mine.yaml' } }), [/mine\.yaml: could not be read: EACCES/]);
  const typo = await settingsOf({ environment: { PLIMSOLL_LISTN: 'x', PLIMSOLL_TEST_NO_INSTALL: '1', PATH: '/bin' } });
  t.same(typo.warnings, ['PLIMSOLL_LISTN is set but means nothing; did you mean PLIMSOLL_LISTEN?']);
});

void t.test('any text is read without throwing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (text) => {
      await parseConfigFile(text, '/f');
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...SETTING_NAMES), fc.string({ unit: 'binary' }), async (name, text) => {
      await load({ flags: { [name]: text } });
    }),
  );
});

void t.test('the page of the documentation has every setting', (t) => {
  const page = renderConfigurationPage();
  for (const name of SETTING_NAMES) t.match(page, `\n## ${name}\n`);
  t.match(page, '`PLIMSOLL_DATA_DIR`');
  t.end();
});

void t.test('where something is wrong, the rest has defaults in its place', async (t) => {
  const loaded = await loadSettings({
    programs: ['collector'],
    flags: { 'data-dir': '/srv/p', api: 'nowhere', 'query-deadline': '0s' },
    environment: { PLIMSOLL_LISTN: 'x' },
    readFile: () => Promise.resolve('log-level: loud\nlisten: 127.0.0.1:1'),
    uid: 0,
    home: '/root',
  });
  if (loaded.ok) throw new Error('nothing was wrong');
  t.equal(loaded.problems.length, 3);
  const { settings, warnings } = loaded.rest;
  t.match(settings, {
    dataDir: '/srv/p',
    tokenFile: '/srv/p/operator-token',
    api: { host: '127.0.0.1', port: 7480 },
    listen: { host: '127.0.0.1', port: 1 },
    queryDeadline: 10_000,
    logLevel: 'info',
  });
  t.match(warnings, [/PLIMSOLL_LISTN is set but means nothing; did you mean PLIMSOLL_LISTEN\?/]);
  const without = await loadSettings({
    programs: ['collector'],
    flags: { 'data-dir': 'relative' },
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 0,
    home: '/root',
  });
  if (without.ok) throw new Error('nothing was wrong');
  t.match(without.problems, [{ place: '--data-dir' }]);
  t.equal(without.problems.length, 1, 'what is built on it is not counted as well');
  t.equal(without.rest.settings.tokenFile, '/var/lib/plimsoll/operator-token');
});

void t.test('receivers of syslog', async (t) => {
  const receiver = async (text: string) =>
    (await settingsOf({ programs: ['collector'], flags: { 'sink-syslog': text } })).settings.sinkSyslog;
  t.equal(await receiver('off'), 'off');
  t.same(await receiver('tls://log.example'), { transport: 'tls', address: { host: 'log.example', port: 6514 } });
  t.same(await receiver('tcp://[::1]'), { transport: 'tcp', address: { host: '::1', port: 601 } });
  t.same(await receiver('udp://log.example'), { transport: 'udp', address: { host: 'log.example', port: 514 } });
  const otlp = async (text: string) =>
    (await settingsOf({ programs: ['collector'], flags: { 'sink-otlp': text } })).settings.sinkOtlp;
  for (const url of ['https://otel.example/v1/logs', 'http://127.0.0.1:4318/v1/logs', 'http://[::1]:4318/', 'off'])
    t.equal(await otlp(url), url);
  for (const url of ['http://otel.example/', 'http://127.0.0.1.example/', 'http://10.0.0.1/', 'https://u:p@host/', 'x'])
    t.equal((await problemsOf({ programs: ['collector'], flags: { 'sink-otlp': url } })).length, 1, url);
  t.same(await receiver('tls://[fe80::1]:10514'), { transport: 'tls', address: { host: 'fe80::1', port: 10_514 } });
  for (const text of ['', 'log.example:514', 'unix:///dev/log', 'tls://', 'tls://log.example:0', 'tls://a:99999'])
    t.match(await problemsOf({ programs: ['collector'], flags: { 'sink-syslog': text } }), [/tls:\/\/host:port/], text);
  for (const text of ['tls://user@host:1', 'tls://host:1/path', 'TLS://host', 'tls://::1:6514', 'tcp://a b'])
    t.equal((await problemsOf({ programs: ['collector'], flags: { 'sink-syslog': text } })).length, 1, text);
});

void t.test('how long nodes are kept that are not heard of', async (t) => {
  const retention = async (text: string) =>
    (await settingsOf({ programs: ['collector'], flags: { 'node-retention': text } })).settings.nodeRetention;
  t.equal((await settingsOf({ programs: ['collector'] })).settings.nodeRetention, 'off', 'for ever');
  t.equal(await retention('off'), 'off');
  t.equal(await retention('0'), 'off');
  t.equal(await retention('30d'), 30 * 86_400_000);
  for (const text of ['', '0d', '59m', '4000d', 'never'])
    t.match(await problemsOf({ programs: ['collector'], flags: { 'node-retention': text } }), [
      /from 1h to 3650d, or off/,
    ]);
});
