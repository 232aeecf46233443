import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { StoreError } from '../../../collector/store/error.ts';
import { UNUSED } from '../sink/events.ts';
import { commit, finding, nodeRow } from '../store/fleet.ts';
import { startServer } from './server.ts';

interface Sample {
  readonly family: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Parses by the grammar of OpenMetrics 1.0 (section 4.1) for gauges, counters and infos; throws where it is broken. */
function parseOpenMetrics(text: string): readonly Sample[] {
  if (!text.endsWith('\n# EOF\n')) throw new Error('no # EOF at the end');
  const samples: Sample[] = [];
  const families = new Map<string, string>();
  let [family, type] = ['', ''];
  for (const line of text.slice(0, -'# EOF\n'.length).trimEnd().split('\n')) {
    const meta = /^# (TYPE|UNIT|HELP) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (meta !== null) {
      const [, kind, name = '', rest = ''] = meta;
      if (kind === 'TYPE') {
        if (families.has(name)) throw new Error(`${name}: two families`);
        if (!['gauge', 'counter', 'info'].includes(rest)) throw new Error(line);
        [family, type] = [name, rest];
        families.set(name, rest);
      } else if (name !== family) throw new Error(`interleaved: ${line}`);
      if (kind === 'UNIT' && !name.endsWith(`_${rest}`)) throw new Error(`the name has not its unit: ${line}`);
      continue;
    }
    const label = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"`;
    const found = new RegExp(
      String.raw`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:${label},?)*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$`,
    ).exec(line);
    if (found === null) throw new Error(`no sample: ${JSON.stringify(line)}`);
    const [, name = '', labelText = '', value] = found;
    const suffix = { gauge: '', counter: '_total', info: '_info' }[type] ?? '?';
    if (name !== family + suffix) throw new Error(`${name} is not of the family ${family}`);
    const labels = Object.fromEntries(
      [...labelText.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [
        key,
        text.replaceAll(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one)),
      ]),
    );
    if (samples.some((one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels)))
      throw new Error(`twice: ${line}`);
    samples.push({ family, name, labels, value: Number(value) });
  }
  return samples;
}

const HOSTILE = 'a"b\\c\nplimsoll_sink_up{sink="forged"} 1\u202e\ud800';

void t.test('metrics are OpenMetrics, whatever nodes are called, and say what the status says', async (t) => {
  const sink = {
    ...UNUSED,
    position: 0,
    state: 'ok',
    lastError: '',
    delivered: 812,
    rejected: 2,
    discarded: 1,
  } as const;
  const server = await startServer(t, {
    sinks: () => [
      { ...sink, name: 'ndjson' },
      { ...sink, name: 'syslog', state: 'retrying', dropped: 7 },
    ],
  });
  const now = Date.now();
  await server.store.putNodes([nodeRow({ name: HOSTILE, lastSeenMs: now }), nodeRow({ id: 'n2', connected: false })]);
  const put = [finding(), finding({ on: 'b', severity: 'low' }), finding({ on: 'c', verdict: 'pass' })];
  await server.commit(commit({ sequence: 1, snapshot: true, put }));
  const response = await server.fetch('/metrics');
  t.match(response.headers.get('content-type'), /^application\/openmetrics-text; version=1\.0\.0; charset=utf-8$/);
  const text = await response.text();
  const samples = parseOpenMetrics(text);
  const value = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    samples.find((one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels))?.value;
  t.equal(value('plimsoll_nodes', { presence: 'offline' }), 1);
  t.equal(value('plimsoll_findings', { verdict: 'fail' }), 2);
  t.equal(value('plimsoll_failures', { severity: 'low' }), 1);
  t.equal(value('plimsoll_sink_up', { sink: 'syslog' }), 0);
  t.equal(value('plimsoll_sink_backlog_events', { sink: 'syslog' }), 2, 'what fails has opened; nothing was delivered');
  t.equal(value('plimsoll_sink_dropped_events_total', { sink: 'syslog' }), 7);
  t.equal(value('plimsoll_sink_delivered_events_total', { sink: 'ndjson' }), 812);
  t.ok((value('plimsoll_sink_backlog_age_seconds', { sink: 'ndjson' }) ?? 0) > 0);
  t.ok((value('plimsoll_collector_resident_memory_bytes') ?? 0) > 10_000_000);
  t.equal(value('plimsoll_store_failing'), 0);
  t.notMatch(text, 'forged', 'names of nodes are asked for');

  const each = parseOpenMetrics(await (await server.fetch('/metrics?nodes=true')).text());
  const connected = each.filter(({ name }) => name === 'plimsoll_node_connected');
  t.strictSame(
    connected
      .map(({ labels, value }) => [labels['node'], labels['name'], value])
      .toSorted((a, b) => Number(b[2]) - Number(a[2])),
    [
      ['n1', HOSTILE.toWellFormed(), 1],
      ['n2', 'web-1', 0],
    ],
  );
  t.equal((await server.fetch('/metrics?nodes=x')).status, 400);
  const other = await server.createToken('viewer', ['read']);
  t.equal((await server.fetch('/metrics', { headers: { authorization: `Bearer ${other}` } })).status, 403);
  t.equal((await server.fetch('/metrics', { headers: {} })).status, 401);

  // Everything that the rules and the dashboard read exists.
  const directory = new URL('../../../manifests/monitoring/', import.meta.url);
  const rules = parse(readFileSync(new URL('alerts.yaml', directory), 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[];
  };
  const dashboard = JSON.parse(readFileSync(new URL('dashboard.json', directory), 'utf8')) as {
    readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
  };
  const expressions = [
    ...rules.groups.flatMap((group) => group.rules),
    ...dashboard.panels.flatMap(({ targets }) => targets),
  ].map(({ expr }) => expr);
  t.ok(expressions.length > 15);
  const known = new Set(samples.map(({ name }) => name));
  for (const name of new Set(expressions.flatMap((expr) => expr.match(/plimsoll_\w+/g) ?? [])))
    // No node of this test has an issue on purpose, so a family without a sample counts by its TYPE line.
    t.ok(known.has(name) || text.includes(`# TYPE ${name} `), name);
});

void t.test('what cannot be read has no samples: zero would end alerts', async (t) => {
  const state = { isBroken: false };
  const counters = { delivered: 0, rejected: 0, discarded: 0 };
  const unless = <T>(read: () => Promise<T>): Promise<T> =>
    state.isBroken ? Promise.reject(new StoreError('io', 'EIO')) : read();
  const server = await startServer(t, {
    sinks: () => [
      { ...UNUSED, name: 'ndjson', position: 0, state: 'retrying', lastError: 'down', ...counters, dropped: 3 },
    ],
    store: (store) => ({ ...store, counts: () => unless(store.counts), nodes: () => unless(store.nodes) }),
  });
  await server.store.putNodes([nodeRow({ connected: false })]);
  await server.commit(commit({ sequence: 1, snapshot: true, put: [finding()] }));
  const names = async () =>
    new Set(
      parseOpenMetrics(await (await server.fetch('/metrics')).text()).map(({ name, value }) => `${name} ${value}`),
    );
  const fromStore = [
    'plimsoll_nodes 1',
    'plimsoll_findings 1',
    'plimsoll_failures 1',
    'plimsoll_sink_backlog_events 1',
    'plimsoll_sink_dead_letters 0',
  ];
  const before = await names();
  for (const sample of fromStore) t.ok(before.has(sample), sample);
  state.isBroken = true;
  const after = [...(await names())];
  for (const sample of fromStore) {
    const name = sample.replace(/ .*/, '');
    t.notOk(
      after.some((one) => one.startsWith(`${name} `)),
      name,
    );
  }
  for (const sample of ['plimsoll_store_failing 1', 'plimsoll_sink_up 0', 'plimsoll_sink_dropped_events_total 3'])
    t.ok(after.includes(sample), sample);
});

void t.test('livez and readyz', async (t) => {
  let reasons: readonly ('storeFailing' | 'diskFailing')[] = [];
  const server = await startServer(t, { unreadiness: () => reasons });
  const get = (path: string) => server.fetch(path, { headers: {} });
  t.equal((await get('/livez')).status, 200);
  t.equal((await get('/readyz')).status, 200);
  reasons = ['storeFailing', 'diskFailing'];
  t.equal((await get('/livez')).status, 200);
  const refused = await get('/readyz');
  t.equal(refused.status, 503);
  t.match(await refused.json(), { error: { message: 'not ready: storeFailing, diskFailing' } });
});
