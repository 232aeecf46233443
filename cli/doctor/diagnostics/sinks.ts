import { compileEventFilter } from '../../../api/event-filter.ts';
import { parseRedactions } from '../../../api/event-redaction.ts';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Clock } from '../../../service/clock.ts';
import { formatBytes } from '../../../service/bytes.ts';
import { formatAddress } from '../../../service/config/kind.ts';
import type { Address } from '../../../service/config/kind.ts';
import { SINK_NAMES, sinkSetting } from '../../../service/config/sink-names.ts';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, unknown, warning, worstResult } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { readFreeSpace } from '../../../service/free-space.ts';
import { judgeValidity, openCertificate, openKey } from '../certificate-file.ts';
import type { ReadFile } from '../certificate-file.ts';
import { connectionReason } from '../connection-reason.ts';
import type { ConnectionReason } from '../connection-reason.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { AS_OWNER, examineFreeSpace, nearestExisting, whyNotWritable } from '../place.ts';

const CONNECT_DEADLINE_MS = 1_500;

/** Can events be written to the file, and do the receivers accept connections? Sends nothing. */
export const sinks: InstallationDiagnostic = Object.freeze({
  id: 'sinks',
  title: 'sinks',
  run: async (installation: Installation) => {
    const { roles } = installation;
    if (roles.agent && !roles.collector) return ok('this machine has no collector');
    return worstResult([
      examineFilters(installation),
      examineRedactions(installation),
      await examineNdjson(installation),
      await examineSyslog(installation),
      await examineSyslogFiles(installation),
      ...(await examineHttp(installation)),
      ...(await examineNats(installation)),
      ...(await examineKafka(installation)),
      examineReports(installation),
    ]);
  },
});

/** Are the attributes of redactions known, and is there a key for hashes? */
function examineRedactions({ collector }: Installation): DiagnosticResult {
  return worstResult([
    ok(''),
    ...SINK_NAMES.map((name) => {
      const setting = `sink-${name}-redact`;
      const text = collector[sinkSetting(name, 'Redact')];
      const parsed = text === 'none' ? undefined : parseRedactions(text);
      const advice = 'correct it: no collector starts with it; see docs/sinks.md';
      if (parsed === undefined) return ok('');
      if (!parsed.ok) return problem(`${setting}: ${parsed.problem}`, advice);
      return collector.sinkRedactKey === 'none' && parsed.rules.some(({ action }) => action === 'hash')
        ? problem(`${setting} has hashes, and sink-redact-key names no key`, advice)
        : ok('');
    }),
  ]);
}

/** Do the filters compile, and do they hide that findings are resolved? */
function examineFilters({ collector }: Installation): DiagnosticResult {
  return worstResult([
    ok(''),
    ...SINK_NAMES.map((name) => {
      const setting = `sink-${name}-filter`;
      const text = collector[sinkSetting(name, 'Filter')];
      if (text === 'none') return ok('');
      const compiled = compileEventFilter(text);
      if (!compiled.ok)
        return problem(
          `${setting}: ${compiled.problem}`,
          'correct it: no collector starts with it; see docs/events.md',
        );
      const groups: readonly string[] = collector[sinkSetting(name, 'Events')];
      const hidden = compiled.filter.hiddenResolutions.find(({ group }) => groups.includes(group));
      return hidden === undefined
        ? ok('')
        : warning(`${setting}: ${hidden.reason}`, 'let events with the status Resolved through');
    }),
  ]);
}

async function examineNdjson({ collector }: Installation): Promise<DiagnosticResult> {
  const { sinkNdjson: path, dataDir } = collector;
  if (path === 'off') return ok('ndjson: off');
  if (path === '-') return ok('ndjson: standard output of the collector');
  const directory = dirname(path);
  const elsewhere = 'choose another file: --sink-ndjson FILE';
  const found = await stat(path).catch(errorCode);
  if (found === 'EACCES') return unknown(`${path}: EACCES`, AS_OWNER);
  if (typeof found === 'object' && !found.isFile()) return problem(`${path} is not a regular file`, elsewhere);
  const existing = await nearestExisting(directory);
  // The collector creates only its data directory.
  if (existing !== directory && directory !== dataDir)
    return problem(`${directory} does not exist`, `create it, or ${elsewhere}`);
  const reason = await whyNotWritable(existing);
  if (reason !== undefined) return problem(`${path} cannot be written: ${reason}`, elsewhere);
  const space = await readFreeSpace(existing);
  return examineFreeSpace(
    space,
    `${path}, ${formatBytes(space.freeBytes)} free`,
    'free space; events wait in the store until they can be written',
  );
}

async function examineSyslog({ collector: { sinkSyslog: receiver }, signal }: Installation): Promise<DiagnosticResult> {
  if (receiver === 'off') return ok('syslog: off');
  const { transport, address } = receiver;
  const url = `${transport}://${formatAddress(address)}`;
  if (transport === 'udp')
    return warning(`${url}: nothing tells whether messages arrive, and nothing is encrypted`, 'use tls:// if you can');
  return examineServer(url, address, transport === 'tls', signal);
}

/** Does the server of NATS accept connections, and are the files for it there? It is not mentioned where it is off. */
async function examineNats({ collector, clock, signal }: Installation): Promise<readonly DiagnosticResult[]> {
  const { sinkNats: server, sinkNatsCa: ca, sinkNatsCert: cert, sinkNatsKey: key } = collector;
  if (server === 'off') return [];
  const url = `${server.isTls ? 'tls' : 'nats'}://${formatAddress(server.address)}`;
  return [
    await examineServer(url, server.address, server.isTls, signal),
    server.isTls ? await examineClientFiles({ setting: 'sink-nats', ca, cert, key }, clock) : ok(''),
  ];
}

/** The same of the brokers of Kafka. */
async function examineKafka({ collector, clock, signal }: Installation): Promise<readonly DiagnosticResult[]> {
  const { sinkKafka: brokers, sinkKafkaCa: ca, sinkKafkaCert: cert, sinkKafkaKey: key } = collector;
  if (brokers === 'off') return [];
  const results: DiagnosticResult[] = [];
  for (const address of brokers.addresses) {
    const url = `${brokers.isTls ? 'tls' : 'kafka'}://${formatAddress(address)}`;
    results.push(await examineServer(url, address, brokers.isTls, signal));
  }
  if (brokers.isTls) results.push(await examineClientFiles({ setting: 'sink-kafka', ca, cert, key }, clock));
  return results;
}

/** Reports of Kubernetes need access to its API server. */
function examineReports({ collector }: Installation): DiagnosticResult {
  return collector.kubernetesPolicyReports !== 'off' && collector.kubernetes === 'off'
    ? problem(
        'kubernetes-policy-reports is set, but kubernetes is off: no reports are written',
        'set kubernetes as well',
      )
    : ok('');
}

async function examineServer(
  url: string,
  address: Address,
  isTls: boolean,
  signal: AbortSignal,
): Promise<DiagnosticResult> {
  const reason = await tryConnection(address, signal);
  if (reason !== undefined) return problem(`${url}: ${reason.text}`, `check the receiver; ${reason.advice}`);
  return isTls
    ? ok(`${url} accepts connections`)
    : warning(`${url} accepts connections, but nothing is encrypted`, 'use tls://, except on a private network');
}

/** Do the receivers over HTTPS accept connections? Those that are off are not mentioned. */
async function examineHttp({ collector, signal }: Installation): Promise<readonly DiagnosticResult[]> {
  const results: DiagnosticResult[] = [];
  for (const url of [
    collector.sinkWebhook,
    collector.sinkSplunk,
    collector.sinkElasticsearch,
    collector.sinkOtlp,
    collector.sinkSentinel,
    collector.sinkS3,
    collector.sinkSecurityHub,
  ]) {
    if (url === 'off') continue;
    const { hostname, port, protocol } = new URL(url);
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const usual = protocol === 'http:' ? 80 : 443;
    const reason = await tryConnection({ host, port: port === '' ? usual : Number(port) }, signal);
    results.push(
      reason === undefined
        ? ok(`${url} accepts connections`)
        : problem(`${url}: ${reason.text}`, `check the receiver; ${reason.advice}`),
    );
  }
  return results;
}

/** Undefined: connected. */
function tryConnection({ host, port }: Address, signal: AbortSignal): Promise<ConnectionReason | undefined> {
  return new Promise((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_DEADLINE_MS)]);
    const socket = connect({ host, port, signal: limit });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve(connectionReason(error)));
  });
}

async function examineSyslogFiles({ collector, clock }: Installation): Promise<DiagnosticResult> {
  const { sinkSyslog: receiver, sinkSyslogCa: ca, sinkSyslogCert: cert, sinkSyslogKey: key } = collector;
  if (receiver === 'off' || receiver.transport !== 'tls') return ok('');
  return examineClientFiles({ setting: 'sink-syslog', ca, cert, key }, clock);
}

interface ClientFiles {
  /** What the names of the settings start with. */
  readonly setting: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

async function examineClientFiles({ setting, ca, cert, key }: ClientFiles, clock: Clock): Promise<DiagnosticResult> {
  if ((cert === 'none') !== (key === 'none'))
    return problem(`only one of ${setting}-cert and ${setting}-key is set`, 'set both, or neither');
  const authority = ca === 'system' ? undefined : await openCertificate(ca);
  const own = cert === 'none' ? undefined : await openCertificate(cert);
  const ownKey = key === 'none' ? undefined : await openKey(key);
  const pair =
    own?.state === 'read' && ownKey?.state === 'read' && !own.file.certificate.checkPrivateKey(ownKey.file.key)
      ? problem(`${key} is not the key of the certificate in ${cert}`, 'name a certificate and its key')
      : ok('');
  return worstResult([
    judgeFile(authority, ca),
    judgeFile(own, cert),
    judgeFile(ownKey, key),
    pair,
    own?.state === 'read'
      ? judgeValidity(own.file.certificate, clock.now(), 'get a new certificate from the operator of the receiver')
      : ok(''),
  ]);
}

function judgeFile(read: ReadFile<unknown> | undefined, path: string): DiagnosticResult {
  if (read?.state === 'refused') return read.result;
  return read?.state === 'absent' ? problem(`${path} is missing`, 'add it, or correct the setting') : ok('');
}
