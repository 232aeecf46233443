import fc from 'fast-check';
import t from 'tap';
import { parseKubeletFlags } from '../../../../agent/inspector/kubelet/command-line.ts';
import { parseKubeletConfig } from '../../../../agent/inspector/kubelet/config-file.ts';
import { effectiveSettings } from '../../../../agent/inspector/kubelet/effective.ts';
import type { ConfigurationFile } from '../../../../agent/inspector/kubelet/effective.ts';
import { SEED } from '../../../fixture/inspector/read.ts';

const HEAD = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';
const CONFIG = '/var/lib/kubelet/config.yaml';

function parsed(path: string, body: string): ConfigurationFile {
  const config = parseKubeletConfig(Buffer.from(HEAD + body));
  if (!config.ok) throw new Error(config.problem);
  return { path, fields: config.fields };
}

interface Started {
  /** The body of the `--config` file; undefined: started without it. */
  readonly config?: string;
  readonly dropIns?: readonly string[];
  readonly flags?: readonly string[];
  readonly minor?: number;
}

function settingsOf({ config, dropIns = [], flags = [], minor }: Started): ReturnType<typeof effectiveSettings> {
  return effectiveSettings({
    file: config === undefined ? undefined : parsed(CONFIG, config),
    dropIns: dropIns.map((body, index) => parsed(`/etc/kubelet.d/${String(index)}.conf`, body)),
    flags: parseKubeletFlags(flags),
    unread: undefined,
    minor,
  });
}

const ANONYMOUS = 'authentication.anonymous.enabled';

// Expectations: SetDefaults_KubeletConfiguration (pkg/kubelet/apis/config/v1beta1/defaults.go), applyLegacyDefaults
// (cmd/kubelet/app/options/options.go) and the order of cmd/kubelet/app/server.go of Kubernetes.
const PRECEDENCE: readonly (Started & {
  readonly name: string;
  readonly setting: string;
  /** undefined: it is not known. */
  readonly value: string | undefined;
  readonly source: string;
})[] = [
  // kube-bench fails an absent key although the default is secure, and passes it where it is not.
  { name: 'a file without the key', config: '', setting: ANONYMOUS, value: 'false', source: 'default' },
  { name: 'flags only', setting: ANONYMOUS, value: 'true', source: 'default without --config' },
  { name: 'flags only', setting: 'authorization.mode', value: 'AlwaysAllow', source: 'default without --config' },
  { name: 'flags only', setting: 'readOnlyPort', value: '10255', source: 'default without --config' },
  { name: 'flags only', setting: 'authentication.webhook.enabled', value: 'false', source: 'default without --config' },
  {
    name: 'drop-ins without a file',
    dropIns: [''],
    setting: 'readOnlyPort',
    value: '10255',
    source: 'default without --config',
  },
  { name: 'a file', config: 'readOnlyPort: 10255', setting: 'readOnlyPort', value: '10255', source: CONFIG },
  { name: 'a file', config: '', setting: 'authorization.mode', value: 'Webhook', source: 'default' },
  // kube-bench takes the first occurrence of a flag, the kubelet the last.
  {
    name: 'a repeated flag',
    config: '',
    flags: ['--anonymous-auth=false', '--anonymous-auth=true'],
    setting: ANONYMOUS,
    value: 'true',
    source: '--anonymous-auth',
  },
  {
    name: 'a flag before a file',
    config: 'readOnlyPort: 0',
    flags: ['--read-only-port', '10255'],
    setting: 'readOnlyPort',
    value: '10255',
    source: '--read-only-port',
  },
  {
    name: 'a switch without value',
    flags: ['--anonymous-auth', '--v=2'],
    setting: ANONYMOUS,
    value: 'true',
    source: '--anonymous-auth',
  },
  {
    name: 'underscores',
    flags: ['--anonymous_auth=F'],
    setting: ANONYMOUS,
    value: 'false',
    source: '--anonymous-auth',
  },
  {
    name: 'a negative number',
    flags: ['--pod-max-pids', '-1', '--v=2'],
    setting: 'podPidsLimit',
    value: '-1',
    source: '--pod-max-pids',
  },
  {
    name: 'a quoted list',
    flags: ['--tls-cipher-suites="A",B', '--tls-cipher-suites=C'],
    setting: 'tlsCipherSuites',
    value: 'A,B,C',
    source: '--tls-cipher-suites',
  },
  {
    name: 'a list with an open quote',
    flags: ['--tls-cipher-suites="A,B'],
    setting: 'tlsCipherSuites',
    value: undefined,
    source: '--tls-cipher-suites',
  },
  { name: 'octal', flags: ['--pod-max-pids=010'], setting: 'podPidsLimit', value: '8', source: '--pod-max-pids' },
  {
    name: 'no number',
    flags: ['--pod-max-pids=0x'],
    setting: 'podPidsLimit',
    value: undefined,
    source: '--pod-max-pids',
  },
  {
    name: 'not a boolean',
    flags: ['--anonymous-auth=no'],
    setting: ANONYMOUS,
    value: undefined,
    source: '--anonymous-auth',
  },
  {
    name: 'the last drop-in',
    config: 'podPidsLimit: 1',
    dropIns: ['podPidsLimit: 2', 'podPidsLimit: 3'],
    setting: 'podPidsLimit',
    value: '3',
    source: '/etc/kubelet.d/1.conf',
  },
  {
    name: 'maps are merged',
    config: 'evictionHard: {memory.available: 1Gi, nodefs.available: 5%}',
    dropIns: ['evictionHard: {memory.available: 2Gi}'],
    setting: 'evictionHard',
    value: 'memory.available=2Gi,nodefs.available=5%',
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'thresholds of a drop-in join the defaults',
    config: '',
    dropIns: ['evictionHard: {memory.available: 2Gi}'],
    setting: 'evictionHard',
    value: 'imagefs.available=15%,memory.available=2Gi,nodefs.available=10%,nodefs.inodesFree=5%',
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'thresholds of the file replace the defaults',
    config: 'evictionHard: {}',
    setting: 'evictionHard',
    value: '',
    source: CONFIG,
  },
  {
    name: 'mergeDefaultEvictionSettings',
    config: 'evictionHard: {memory.available: 2Gi}\nmergeDefaultEvictionSettings: true',
    setting: 'evictionHard',
    value: 'imagefs.available=15%,memory.available=2Gi,nodefs.available=10%,nodefs.inodesFree=5%',
    source: CONFIG,
  },
  {
    name: 'lists are replaced',
    config: 'tlsCipherSuites: [A, B]',
    dropIns: ['tlsCipherSuites: [C]'],
    setting: 'tlsCipherSuites',
    value: 'C',
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'objects are merged',
    config: 'authentication: {anonymous: {enabled: true}}',
    dropIns: ['authentication: {x509: {clientCAFile: /ca}}'],
    setting: ANONYMOUS,
    value: 'true',
    source: CONFIG,
  },
  {
    name: 'feature gates of flags and file',
    config: 'featureGates: {A: true, RotateKubeletServerCertificate: false}',
    flags: ['--feature-gates=A=false', '--feature-gates=B=true'],
    setting: 'featureGates',
    value: 'A=false,B=true,RotateKubeletServerCertificate=false',
    source: '--feature-gates',
  },
  {
    name: 'a flag replaces thresholds',
    config: 'evictionHard: {nodefs.available: 5%}',
    flags: ['--eviction-hard=memory.available<1Gi'],
    setting: 'evictionHard',
    value: 'memory.available=1Gi',
    source: '--eviction-hard',
  },
  // kube-bench fails 0, which the kubelet replaces by 4h.
  {
    name: 'a zero timeout in the file',
    config: 'streamingConnectionIdleTimeout: 0s',
    setting: 'streamingConnectionIdleTimeout',
    value: '4h0m0s',
    source: 'default',
  },
  {
    name: 'a zero timeout as a flag',
    config: '',
    flags: ['--streaming-connection-idle-timeout=0'],
    setting: 'streamingConnectionIdleTimeout',
    value: '0',
    source: '--streaming-connection-idle-timeout',
  },
  // Defaults are filled in after drop-ins since 1.32 (kubernetes/kubernetes#127421).
  {
    name: 'a zero timeout in a drop-in of 1.31',
    config: '',
    dropIns: ['streamingConnectionIdleTimeout: 0s'],
    minor: 31,
    setting: 'streamingConnectionIdleTimeout',
    value: '0s',
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'a zero timeout in a drop-in of 1.32',
    config: 'streamingConnectionIdleTimeout: 1h',
    dropIns: ['streamingConnectionIdleTimeout: 0s'],
    minor: 32,
    setting: 'streamingConnectionIdleTimeout',
    value: '4h0m0s',
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'a zero timeout in a drop-in of an unknown version',
    config: '',
    dropIns: ['streamingConnectionIdleTimeout: 0s'],
    setting: 'streamingConnectionIdleTimeout',
    value: undefined,
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'an empty mode in a drop-in of 1.32 without a file',
    dropIns: ['authorization: {mode: ""}'],
    minor: 32,
    setting: 'authorization.mode',
    value: 'Webhook',
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'drop-ins of 1.28 also merge what they do not set',
    config: 'authorization: {mode: AlwaysAllow}',
    dropIns: ['podPidsLimit: 1'],
    minor: 28,
    setting: 'authorization.mode',
    value: undefined,
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'false in a drop-in',
    config: 'rotateCertificates: true',
    dropIns: ['rotateCertificates: false'],
    minor: 33,
    setting: 'rotateCertificates',
    value: 'false',
    source: '/etc/kubelet.d/0.conf',
  },
  {
    name: 'an empty mode',
    config: 'authorization: {mode: ""}',
    setting: 'authorization.mode',
    value: 'Webhook',
    source: 'default',
  },
  {
    name: 'seccomp by either',
    config: 'seccompDefault: true',
    flags: ['--seccomp-default=false'],
    setting: 'seccompDefault',
    value: 'true',
    source: CONFIG,
  },
  {
    name: 'YAML 1.1: yes is true',
    config: 'authentication: {anonymous: {enabled: yes}}',
    setting: ANONYMOUS,
    value: 'true',
    source: CONFIG,
  },
  {
    name: 'a text where a boolean belongs',
    config: 'authentication: {anonymous: {enabled: "false"}}',
    setting: ANONYMOUS,
    value: undefined,
    source: CONFIG,
  },
  {
    name: 'a text where a number belongs',
    config: 'readOnlyPort: "0"',
    setting: 'readOnlyPort',
    value: undefined,
    source: CONFIG,
  },
  { name: 'null in the file', config: 'readOnlyPort: null', setting: 'readOnlyPort', value: '0', source: 'default' },
  {
    name: 'null in a drop-in',
    config: 'readOnlyPort: 5',
    dropIns: ['readOnlyPort: null'],
    setting: 'readOnlyPort',
    value: undefined,
    source: '/etc/kubelet.d/0.conf',
  },
  // A key in another case is ignored in the file, and counts in a drop-in.
  {
    name: 'another case in the file',
    config: 'ReadOnlyPort: 10255',
    setting: 'readOnlyPort',
    value: '0',
    source: 'default',
  },
  {
    name: 'another case in a drop-in',
    config: '',
    dropIns: ['ReadOnlyPort: 10255'],
    setting: 'readOnlyPort',
    value: undefined,
    source: '/etc/kubelet.d/0.conf',
  },
  { name: 'events before 1.27', config: '', minor: 26, setting: 'eventRecordQPS', value: '5', source: 'default' },
  { name: 'events since 1.27', config: '', minor: 27, setting: 'eventRecordQPS', value: '50', source: 'default' },
  { name: 'events of an unknown version', config: '', setting: 'eventRecordQPS', value: undefined, source: 'default' },
  {
    name: 'a flag without a field',
    flags: ['--hostname-override=a', '--hostname-override=b'],
    setting: '--hostname-override',
    value: 'b',
    source: '--hostname-override',
  },
];

t.test('which layer decides', (t) => {
  for (const { name, setting, value, source, ...started } of PRECEDENCE) {
    const observed = settingsOf(started)[setting];
    t.equal(observed?.state, value === undefined ? 'unreadable' : 'seen', `${name}: ${setting} is known or not`);
    t.equal(observed?.state === 'seen' ? observed.value : undefined, value, `${name}: ${setting}`);
    t.equal(observed?.source, source, `${name}: ${setting}: source`);
  }
  t.end();
});

t.test('a file that could not be read leaves only what flags decide', (t) => {
  const settings = effectiveSettings({
    file: undefined,
    dropIns: [],
    flags: parseKubeletFlags(['--read-only-port=0']),
    unread: { source: CONFIG, reason: 'permission denied (EACCES)' },
    minor: undefined,
  });
  t.match(settings['readOnlyPort'], { state: 'seen', value: '0' });
  t.match(settings[ANONYMOUS], { state: 'unreadable', source: CONFIG, reason: 'permission denied (EACCES)' });
  t.end();
});

t.test('files that are not the configuration of a kubelet', (t) => {
  const problem = (text: string): string => {
    const config = parseKubeletConfig(Buffer.from(text));
    return config.ok ? 'accepted' : config.problem;
  };
  t.equal(problem(`${HEAD}readOnlyPort: 0\n`), 'accepted');
  t.equal(problem('{"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1"}'), 'accepted', 'JSON');
  t.match(problem(`${HEAD}port: 1\nport: 2\n`), /line 4, column 1: a key occurs twice/);
  t.match(
    problem('apiVersion: v1\nkind: Config\nusers: [{user: {token: marker-4f1c}}]\n'),
    /not a KubeletConfiguration/,
  );
  t.match(problem('kind: KubeletConfiguration\n'), /not a KubeletConfiguration/, 'no apiVersion');
  t.match(problem(`${HEAD}---\n${HEAD}`), /several documents/);
  t.match(problem(''), /empty/);
  t.match(problem('- a\n'), /not an object/);
  t.match(problem('\u0000'), /YAML|empty|object/);
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
    .split('')
    .map((key, at) => `${key}: &${key} [${`*${'abcdefgh'[at] ?? ''},`.repeat(9)}]`)
    .join('\n')}`;
  t.match(problem(HEAD + bomb), /aliases/);
  t.end();
});

t.test('no bytes and no arguments make the parsers throw', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ maxLength: 300 }).map((text) => Buffer.from(HEAD + text)),
      ),
      fc.array(fc.string({ maxLength: 40 }), { maxLength: 12 }),
      fc.boolean(),
      (bytes, args, isDropIn) => {
        const config = parseKubeletConfig(bytes);
        const file = { path: CONFIG, fields: config.ok ? config.fields : {} };
        effectiveSettings({
          file: isDropIn ? undefined : file,
          dropIns: isDropIn ? [file] : [],
          flags: parseKubeletFlags(args),
          unread: undefined,
          minor: undefined,
        });
      },
    ),
    SEED,
  );
  t.end();
});
