import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Test } from 'tap';
import type { SinkTestResult } from '../../api/sink-test.ts';
import { COMMAND_NAMES } from '../../cli/command/registry.ts';
import { SINK_NAMES } from '../../service/config/sink-names.ts';
import { startHttpReceiver } from '../collector/sink/http-receiver.ts';
import type { Answer, Received } from '../collector/sink/http-receiver.ts';
import { startSyslogReceiver } from '../collector/sink/syslog-receiver.ts';
import type { Run } from '../cli/process.ts';
import { findKcat, startKafkaBroker } from './kafka.ts';
import { findNatsServer, startNatsServer } from './nats.ts';
import { findRsyslogd, startRsyslog } from './rsyslog.ts';

/** A program as it is shipped, with `up` running: it runs these commands, with the settings of that process. */
export type RunAll = (commands: readonly (readonly string[])[]) => Promise<readonly Run[]>;

/** Receivers of all sinks, and the settings that name them. */
export interface Receivers {
  /** Names of environment variables and their values. */
  readonly environment: Readonly<Record<string, string>>;
  /** Sinks whose receiver this machine does not have, with the reason. */
  readonly absent: ReadonlyMap<string, string>;
  /** Events that arrived, as text, by sink. */
  readonly received: (sink: string) => Promise<string>;
}

const TOPIC = 'plimsoll.events';
const STREAM = { name: 'EVENTS', subjects: ['plimsoll.>'], storage: 'file', num_replicas: 1 };
const HTTP_SINKS: Readonly<Record<string, RegExp>> = {
  webhook: /\/hook$/,
  splunk: /\/services\/collector\/event$/,
  elasticsearch: /_bulk$/,
  otlp: /\/v1\/logs$/,
  s3: /\/archive\//,
  'security-hub': /\/findings\/import$/,
};

/** Starts the receivers; they end with the test. The program can read `directory` and write `directory`/events. */
export async function startReceivers(t: Test, directory: string): Promise<Receivers> {
  const absent = new Map<string, string>();
  const settings: Record<string, string> = { 'sink-ndjson': join(directory, 'events', 'events.ndjson') };
  mkdirSync(join(directory, 'events'));
  chmodSync(join(directory, 'events'), 0o777);
  const received: Record<string, () => Promise<string> | string> = {
    ndjson: () => readFileSync(join(directory, 'events', 'events.ndjson'), 'utf8'),
  };

  const found = findRsyslogd();
  mkdirSync(join(directory, 'rsyslog'));
  if ('program' in found) {
    const daemon = await startRsyslog(found.program, join(directory, 'rsyslog'));
    t.teardown(() => daemon.stop());
    settings['sink-syslog'] = `tcp://127.0.0.1:${String(daemon.port)}`;
    received['syslog'] = () => Buffer.concat(daemon.raw()).toString();
  } else {
    const receiver = await startSyslogReceiver();
    t.teardown(() => receiver.stop());
    settings['sink-syslog'] = `tcp://127.0.0.1:${String(receiver.port)}`;
    received['syslog'] = () => JSON.stringify(receiver.received());
  }

  const natsServer = findNatsServer();
  if (natsServer === undefined) absent.set('nats', 'no nats-server');
  else {
    mkdirSync(join(directory, 'nats'));
    const server = await startNatsServer(natsServer, join(directory, 'nats'));
    t.teardown(() => server.stop());
    await server.request('$JS.API.STREAM.CREATE.EVENTS', STREAM);
    settings['sink-nats'] = `nats://127.0.0.1:${String(server.port)}`;
    received['nats'] = async () => (await server.stored('EVENTS')).map(({ data }) => data).join('\n');
  }

  const kcat = findKcat();
  if (kcat === undefined) absent.set('kafka', 'no kcat');
  else {
    const broker = await startKafkaBroker(kcat, TOPIC);
    t.teardown(() => broker.end());
    settings['sink-kafka'] = `kafka://127.0.0.1:${String(broker.port)}`;
    settings['sink-kafka-topic'] = TOPIC;
    received['kafka'] = async () => (await broker.consume()).map(({ payload }) => payload).join('\n');
  }

  const http = await startHttpReceiver(t, answerOf);
  const put = (name: string, text: string | Buffer): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const [secret, caFile] = [put('secret', 'the-secret\n'), put('ca.pem', readFileSync(http.caFile))];
  for (const [name, value] of Object.entries({
    webhook: `${http.url}/hook`,
    'webhook-key': secret,
    splunk: `${http.url}/services/collector/event`,
    'splunk-token': secret,
    elasticsearch: `${http.url}/plimsoll/_bulk`,
    'elasticsearch-secret': secret,
    otlp: `${http.url}/v1/logs`,
    s3: http.url,
    's3-bucket': 'archive',
    's3-region': 'eu-west-3',
    's3-max-events': '1',
    'security-hub': http.url,
    'security-hub-account': '111122223333',
  }))
    settings[`sink-${name}`] = value;
  for (const [name, path] of Object.entries(HTTP_SINKS)) {
    settings[`sink-${name}-ca`] = caFile;
    received[name] = () =>
      http.requests
        .filter(({ url }) => path.test(url))
        .map(({ bytes, body }) => (isGzip(bytes) ? gunzipSync(bytes).toString() : body))
        .join('\n');
  }
  // Its tokens come from the cloud: it gets no event, and its test ends where this machine does not trust the receiver.
  Object.assign(settings, {
    'sink-sentinel': http.url,
    'sink-sentinel-filter': 'event.class_uid == 0',
    'sink-sentinel-rule': `dcr-${'0'.repeat(32)}`,
    'sink-sentinel-stream': 'Custom-Plimsoll_CL',
    'sink-sentinel-tenant': '00000000-0000-0000-0000-000000000000',
    'sink-sentinel-client': '00000000-0000-0000-0000-000000000000',
    'sink-sentinel-secret': secret,
  });
  const variable = (name: string): string => `PLIMSOLL_${name.toUpperCase().replaceAll('-', '_')}`;
  return {
    environment: {
      AWS_ACCESS_KEY_ID: 'AKIATEST',
      AWS_SECRET_ACCESS_KEY: 'the-secret',
      ...Object.fromEntries(Object.entries(settings).map(([name, value]) => [variable(name), value])),
    },
    absent,
    received: async (sink) => (await received[sink]?.()) ?? '',
  };
}

/** The answer of a receiver that accepts everything. */
function answerOf({ url, body }: Received): Answer {
  if (url.endsWith('/v1/logs')) return { status: 200, headers: { 'content-type': 'application/x-protobuf' } };
  if (url.endsWith('_bulk')) {
    const documents = Math.floor(body.split('\n').length / 2);
    const items = Array.from({ length: documents }, () => ({ create: { status: 201 } }));
    return { status: 200, body: JSON.stringify({ items }) };
  }
  const findings = url.endsWith('/findings/import') ? (JSON.parse(body) as { Findings: unknown[] }).Findings.length : 0;
  return {
    status: 200,
    headers: { etag: '"0"' },
    body: JSON.stringify({ code: 0, FailedCount: 0, SuccessCount: findings }),
  };
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Arguments of one call of each command; absent: only its `--help` is run, for the reason. */
const CALLS: Readonly<Record<string, readonly string[] | { readonly notRun: string }>> = {
  admission: { notRun: 'needs a Kubernetes' },
  agent: { notRun: 'up runs it' },
  audit: ['audit'],
  authz: ['authz', 'check', '-'],
  benchmarks: ['benchmarks', 'list'],
  broker: { notRun: 'a service' },
  ca: ['ca'],
  checks: ['checks'],
  collector: { notRun: 'up runs it' },
  completion: ['completion', 'bash'],
  compliance: ['compliance', 'cis-docker-1.7.0'],
  config: ['config'],
  console: ['console'],
  deadletter: ['deadletter', 'list'],
  denials: ['denials'],
  detections: ['detections'],
  doctor: ['doctor'],
  explain: ['explain', 'container.privileged'],
  findings: ['findings'],
  fixes: ['fixes'],
  gate: ['gate', '--rootfs', '/etc', '--fail-on', 'critical'],
  help: ['help'],
  image: ['image', 'scan', '--rootfs', '/etc'],
  images: ['images'],
  'join-token': ['join-token', 'create'],
  login: ['login'],
  logout: ['logout'],
  nodes: ['nodes'],
  policy: ['policy', 'list'],
  query: ['query', 'kernel.release'],
  record: { notRun: 'reads the whole node' },
  rollout: ['rollout', '--plan'],
  rollouts: ['rollouts'],
  scan: ['scan'],
  sink: ['sink', 'status'],
  sinks: ['sinks'],
  status: ['status'],
  token: ['token', 'list'],
  up: ['up'],
  version: ['version'],
  vulndb: ['vulndb', 'status'],
  vulnerabilities: ['vulnerabilities'],
  waivers: ['waivers'],
  whoami: ['whoami'],
};

/** Texts of an error that the program, not its surroundings, has made. */
const DEFECT =
  /\b(?:TypeError|ReferenceError|SyntaxError|ERR_MODULE_NOT_FOUND)\b|is not a (?:function|constructor)|is not in the bundle|internal error|Cannot find|^\s+at |\w+Warning:/m;

/** Runs each command and each sink of a program once. Something is wrong where an output names a defect. */
export async function testBuiltProgram(t: Test, runAll: RunAll, receivers: Receivers): Promise<void> {
  await t.test('each command', async (t) => {
    t.strictSame(Object.keys(CALLS), COMMAND_NAMES, 'there is a call of each');
    const helps = await runAll(COMMAND_NAMES.map((name) => [name, '--help']));
    for (const [index, { code, stdout, stderr }] of helps.entries()) {
      const name = COMMAND_NAMES[index] ?? '';
      t.match(
        { code, stdout, stderr },
        { code: 0, stdout: new RegExp(`plimsoll ${name}`), stderr: '' },
        `${name} --help`,
      );
    }
    const calls = Object.values(CALLS).flatMap((call) => ('notRun' in call ? [] : [call]));
    for (const [index, { code, stdout, stderr }] of (await runAll(calls)).entries()) {
      const line = calls[index]?.join(' ') ?? '';
      t.ok(code !== null && code <= 3, `${line}: exit status ${String(code)}`);
      t.ok(stdout !== '' || stderr !== '', `${line}: says something`);
      t.notMatch(stdout + stderr, DEFECT, line);
    }
  });
  await t.test('each sink', async (t) => {
    for (const name of SINK_NAMES) {
      const reason = receivers.absent.get(name);
      if (reason !== undefined) {
        await t.test(name, { skip: reason }, () => undefined);
        continue;
      }
      // A collector tests one sink at a time.
      const [run] = await runAll([['sink', 'test', name, '--output', 'json']]);
      const { stdout = '', stderr = '' } = run ?? {};
      t.notMatch(stdout + stderr, DEFECT, name);
      if (stdout === '') {
        t.fail(`${name}: ${stderr}`);
        continue;
      }
      const { ok, eventUid, steps } = JSON.parse(stdout) as SinkTestResult;
      // Its tokens come from the cloud, so its test ends before.
      if (name === 'sentinel') {
        t.match(steps.at(-1), { step: 'tls', ok: false });
        continue;
      }
      t.ok(ok, `${name}: ${JSON.stringify(steps)}`);
      t.match(await receivers.received(name), eventUid, `${name}: the event is there`);
    }
  });
}
