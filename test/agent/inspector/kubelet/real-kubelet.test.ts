import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { FIELDS } from '../../../../agent/inspector/kubelet/fields.ts';
import { inspectProcess } from '../../../../agent/inspector/kubelet/inspect.ts';
import { findDaemons } from '../../../../agent/inspector/proc/daemon-identity.ts';
import { createProber } from '../../../../agent/probe/tls-prober.ts';
import { goDurationMs } from '../../../../posture/check/kubelet/go-duration.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { KubeletFact } from '../../../../posture/fact/kubelet.ts';
import { judgeAll } from '../../../../posture/judge.ts';
import { factsOf } from '../../../fixture/facts.ts';
import { liveNode } from '../live-node.ts';
import { noKubeletProgram, startKubelets } from './own-kubelet.ts';

/*
 * The real kubelet as the independent source: what it says of its own configuration (GET /configz), compared with what
 * was worked out from its command line and files.
 */
const HEAD = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';
const OPEN =
  'authentication: {anonymous: {enabled: yes}, webhook: {enabled: no}}\nauthorization: {mode: AlwaysAllow}\n';

const CONFIGURATIONS: readonly {
  readonly name: string;
  readonly config?: string;
  readonly flags: readonly string[];
}[] = [
  { name: 'the defaults of the command line', flags: ['--read-only-port=0'] },
  {
    name: 'flags: repeated, with underscores, as separate words',
    flags: [
      '--read_only_port',
      '0',
      '--read-only-port=0',
      '--event-qps=7',
      '--event-qps',
      '0x9',
      '--pod-max-pids',
      '-1',
      '--make-iptables-util-chains=false',
      '--eviction-hard=memory.available<200Mi',
      '--eviction-hard=nodefs.available<2Gi',
      '--feature-gates=RotateKubeletServerCertificate=false',
      '--feature-gates=CSIMigration=true',
      '--streaming-connection-idle-timeout=0',
      '--tls-cipher-suites="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
      '--image-gc-high-threshold=0132',
      '--rotate-certificates',
    ],
  },
  { name: 'the defaults of a file', config: OPEN, flags: [] },
  {
    name: 'a file with flags over it',
    config: `${OPEN}readOnlyPort: 0\npodPidsLimit: 100\neventRecordQPS: 7\nstreamingConnectionIdleTimeout: 0s\nimageMinimumGCAge: 5m\nimageGCHighThresholdPercent: 90\nrotateCertificates: true\nmakeIPTablesUtilChains: false\nevictionHard: {memory.available: 200Mi}\nfeatureGates: {RotateKubeletServerCertificate: false, CSIMigration: true}\ntlsCipherSuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\ntlsMinVersion: VersionTLS12\n`,
    flags: ['--event-qps=9', '--feature-gates=CSIMigration=false', '--image-gc-low-threshold=70'],
  },
  {
    name: 'YAML 1.1: anchors, merges, numbers in other bases, words for booleans',
    config: `x: &open {enabled: Yes}\ny: &gates {CSIMigration: on}\nauthentication: {anonymous: *open, webhook: {enabled: off}}\nauthorization: {mode: AlwaysAllow}\npodPidsLimit: 0x64\neventRecordQPS: 010\nimageGCHighThresholdPercent: 9_0\nmakeIPTablesUtilChains: OFF\nfeatureGates: {<<: *gates, RotateKubeletServerCertificate: false}\n`,
    flags: [],
  },
  {
    name: 'JSON, with keys in another case, which do not count',
    config:
      '{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration","PodPidsLimit":7,"podpidslimit":8,' +
      '"authentication":{"anonymous":{"enabled":true,"Enabled":false},"webhook":{"enabled":false}},' +
      '"authorization":{"mode":"AlwaysAllow"},"EventRecordQPS":3,"maxPods":11,"tlsMinVersion":"VersionTLS13"}',
    flags: ['--tls-cipher-suites='],
  },
];

t.test('settings as the kubelet itself has them', { skip: noKubeletProgram, timeout: 120_000 }, async (t) => {
  const kubelets = await startKubelets();
  t.teardown(kubelets.stop);
  // A start takes some seconds, most of them of waiting.
  const started = await Promise.all(
    CONFIGURATIONS.map(({ config, flags }) =>
      kubelets.start((directory) => {
        const path = join(directory, 'kubelet.yaml');
        if (config !== undefined) writeFileSync(path, config.startsWith('{') ? config : HEAD + config, { mode: 0o600 });
        return [...(config === undefined ? [] : [`--config=${path}`]), ...flags];
      }),
    ),
  );
  t.teardown(() => Promise.all(started.map(({ stop }) => stop())));
  // The machine may be busy: how fast the port answers is not the subject.
  const access = { ...liveNode('unix:///nowhere'), prober: createProber({ timeoutMs: 30_000 }) };
  const found = await findDaemons(access, 'kubelet');
  for (const [index, { name }] of CONFIGURATIONS.entries()) {
    const { pid, configz } = started[index] ?? { pid: 0, configz: {} };
    const daemon = found.ok ? found.value.genuine.find((each) => each.pid === pid) : undefined;
    if (daemon === undefined) throw new Error(JSON.stringify(found));
    const fact = await inspectProcess(access, { ...daemon, program: 'kubelet' });
    compare(t, name, fact, configz);
    t.match(
      fact.api,
      { state: 'seen', value: { protocol: 'tls', answer: 'HTTP 200 from /healthz' } },
      `${name}: let in`,
    );
    const findings = [...judgeAll(CHECKS, factsOf({ kubelet: fact })).values()];
    const verdicts = new Map(findings.map(({ check, verdict }) => [check, verdict]));
    for (const check of ['kubelet.anonymous-auth', 'kubelet.authorization-mode', 'kubelet.serving-certificate'])
      t.equal(verdicts.get(check), 'fail', `${name}: ${check}`);
    t.equal(verdicts.get('kubelet.read-only-port'), 'pass', name);
  }
});

function compare(t: Test, name: string, { settings }: KubeletFact, configz: Readonly<Record<string, unknown>>): void {
  for (const { path, type } of FIELDS) {
    const setting = settings[path];
    let value: unknown = configz;
    for (const part of path.split('.')) value = (value as Readonly<Record<string, unknown>> | undefined)?.[part];
    // Without a version its default is not known; the certificate that it makes it also names; 1.20 has no such field.
    const isOwn = path === 'eventRecordQPS' && setting?.source === 'default';
    if (isOwn || path === 'tlsCertFile' || path === 'tlsPrivateKeyFile') continue;
    const text = setting?.state === 'seen' ? setting.value : `not known: ${JSON.stringify(setting)}`;
    if (type === 'duration') t.equal(goDurationMs(text), goDurationMs(String(value)), `${name}: ${path}`);
    else t.equal(text, textOf(value, type), `${name}: ${path}`);
  }
}

/** As the kubelet prints it: zero values are left out. */
function textOf(value: unknown, type: (typeof FIELDS)[number]['type']): string {
  if (value === undefined || value === null) return type === 'boolean' ? 'false' : type === 'integer' ? '0' : '';
  if (Array.isArray(value)) return value.join(',');
  if (typeof value !== 'object') return JSON.stringify(value).replaceAll('"', '');
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return entries.map(([key, entry]) => `${key}=${String(entry)}`).join(',');
}
