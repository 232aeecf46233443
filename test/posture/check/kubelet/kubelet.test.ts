import t from 'tap';
import type { NodeCheck } from '../../../../posture/check/check.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { KubeletFact } from '../../../../posture/fact/kubelet.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Severity, Verdict } from '../../../../posture/verdict.ts';
import { noKubelet } from '../../../fixture/facts.ts';
import { AFTER_START_MS, apiProbe, kubeletFact, NOT_PROBED } from '../../../fixture/kubelet.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

const KUBELET_CHECKS = CHECKS.filter((check): check is NodeCheck => check.judges === 'kubelet');
const UNKNOWN = unreadable('/var/lib/kubelet/config.yaml', 'permission denied (EACCES)');
const NO_PROBE = { api: unreadable('probe of tcp:10250', 'no connection: ECONNREFUSED') };
const DENIED = unreadable('/proc/712/fd', 'permission denied (EACCES)');
const NEWER = [{ path: '/var/lib/kubelet/config.yaml', modifiedAtMs: AFTER_START_MS }];

const GCM = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256';
const CHACHA = 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305';

type Row = readonly [
  name: string,
  kubelet: KubeletFact,
  verdict: Verdict,
  more?: { readonly severity?: Severity; readonly reason?: RegExp },
];

const certificate = (change: object): KubeletFact['api'] => {
  const api = apiProbe();
  const own = api.state === 'seen' ? api.value.certificate : null;
  return apiProbe({ certificate: own && { ...own, ...change } });
};

/** For each check: the flip of the one setting that it judges, and the edges. The hardened node passes all of them. */
const ROWS: Readonly<Record<string, readonly Row[]>> = {
  'kubelet.anonymous-auth': [
    ['enabled, not probed', kubeletFact({ 'authentication.anonymous.enabled': 'true' }, NO_PROBE), 'fail'],
    [
      'enabled, not probed',
      kubeletFact({ 'authentication.anonymous.enabled': 'true' }),
      'fail',
      { reason: /kubelet-config of kube-system/ },
    ],
    [
      '403: accepted, and only authorization refuses',
      kubeletFact({}, { api: apiProbe({ answer: 'HTTP 403 from /healthz' }) }),
      'fail',
      { severity: 'high' },
    ],
    [
      'let in',
      kubeletFact({}, { api: apiProbe({ clientCertificate: 'requested', answer: 'HTTP 200 from /healthz' }) }),
      'fail',
    ],
    [
      'clear text',
      kubeletFact({}, { api: apiProbe({ protocol: 'http', certificate: null, answer: 'HTTP 200 from /healthz' }) }),
      'fail',
    ],
    ['the probe proves it', kubeletFact({}, { observed: { 'authentication.anonymous.enabled': UNKNOWN } }), 'pass'],
    [
      'neither is known',
      kubeletFact({}, { ...NO_PROBE, observed: { 'authentication.anonymous.enabled': UNKNOWN } }),
      'unknown',
      { reason: /EACCES/ },
    ],
    ['configured only', kubeletFact({}, NO_PROBE), 'pass'],
    [
      'a newer file proves nothing',
      kubeletFact({}, { ...NO_PROBE, files: NEWER }),
      'unknown',
      { reason: /was modified/ },
    ],
    ['a newer file, and the probe', kubeletFact({}, { files: NEWER }), 'pass'],
  ],
  'kubelet.authorization-mode': [
    ['AlwaysAllow', kubeletFact({ 'authorization.mode': 'AlwaysAllow' }), 'fail'],
    ['shown by the probe', kubeletFact({}, { api: apiProbe({ answer: 'HTTP 200 from /healthz' }) }), 'fail'],
    ['404 says nothing', kubeletFact({}, { api: apiProbe({ answer: 'HTTP 404 from /healthz' }) }), 'pass'],
    ['not known', kubeletFact({}, { observed: { 'authorization.mode': UNKNOWN } }), 'unknown'],
    ['a newer file', kubeletFact({}, { files: NEWER }), 'unknown'],
    [
      'a flag does not wait for a restart',
      kubeletFact({}, { files: NEWER, observed: { 'authorization.mode': seen('Webhook', '--authorization-mode') } }),
      'pass',
    ],
  ],
  'kubelet.cipher-suites': [
    ['weak suites accepted', kubeletFact({}, { api: apiProbe({ weakCipherSuites: true }) }), 'fail'],
    ['TLS 1.1 accepted', kubeletFact({}, { api: apiProbe({ versions: ['TLSv1.1', 'TLSv1.2'] }) }), 'fail'],
    // kube-bench warns about defaults that offer nothing weak.
    ['good defaults', kubeletFact({ tlsCipherSuites: '' }), 'pass'],
    ['only TLS 1.3', kubeletFact({}, { api: apiProbe({ versions: ['TLSv1.3'], weakCipherSuites: null }) }), 'pass'],
    [
      'not probed: a weak suite',
      kubeletFact({ tlsCipherSuites: `${GCM},TLS_RSA_WITH_AES_128_GCM_SHA256` }, NO_PROBE),
      'fail',
    ],
    ['not probed: the defaults', kubeletFact({ tlsCipherSuites: '' }, NO_PROBE), 'manual'],
    ['not probed: TLS 1.3 only', kubeletFact({ tlsCipherSuites: '', tlsMinVersion: 'VersionTLS13' }, NO_PROBE), 'pass'],
    // kube-bench knows one spelling of each suite.
    ['not probed: both spellings', kubeletFact({ tlsCipherSuites: `${CHACHA},${CHACHA}_SHA256` }, NO_PROBE), 'pass'],
    ['neither is known', kubeletFact({}, { ...NO_PROBE, observed: { tlsCipherSuites: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.client-ca': [
    ['none', kubeletFact({ 'authentication.x509.clientCAFile': '' }), 'fail'],
    ['no certificate is asked for', kubeletFact({}, { api: apiProbe({ clientCertificate: 'notRequested' }) }), 'fail'],
    // kube-bench passes any text, also the path of no file.
    [
      'a file that does not exist',
      kubeletFact({}, { ...NO_PROBE, clientCertificateAuthorities: noKubelet().clientCertificateAuthorities }),
      'fail',
    ],
    [
      'a file without an authority',
      kubeletFact({}, { ...NO_PROBE, clientCertificateAuthorities: seen(0, '/etc/kubernetes/pki/ca.crt') }),
      'fail',
    ],
    ['a file, not probed', kubeletFact({}, NO_PROBE), 'pass'],
    ['a file that cannot be read', kubeletFact({}, { ...NO_PROBE, clientCertificateAuthorities: UNKNOWN }), 'unknown'],
  ],
  'kubelet.client-certificate-rotation': [
    // kube-bench passes an absent key, whose default is false.
    ['off', kubeletFact({ rotateCertificates: 'false' }), 'fail'],
    ['EKS has a token', kubeletFact({ rotateCertificates: 'false' }, { distribution: 'eks' }), 'notApplicable'],
    ['not known', kubeletFact({}, { observed: { rotateCertificates: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.event-rate': [
    ['less than the default', kubeletFact({ eventRecordQPS: '5' }), 'fail'],
    ['none', kubeletFact({ eventRecordQPS: '0' }), 'fail'],
    ['not known', kubeletFact({}, { observed: { eventRecordQPS: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.garbage-collection': [
    ['no thresholds', kubeletFact({ evictionHard: '' }), 'fail'],
    ['images stay', kubeletFact({ imageGCHighThresholdPercent: '100' }), 'fail'],
    ['not known', kubeletFact({}, { observed: { imageMinimumGCAge: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.hostname-override': [
    ['another name', kubeletFact({ '--hostname-override': 'node-2' }), 'fail'],
    [
      'a newer file changes no flag',
      kubeletFact({}, { files: NEWER, observed: { '--hostname-override': seen('', 'default') } }),
      'pass',
    ],
    [
      'a newer file of the program around it may',
      kubeletFact(
        {},
        {
          files: NEWER,
          process: seen({ pid: 712, startedAtMs: 1, executable: '/snap/kubelite', program: 'kubelite' }, '/proc/712'),
          observed: { '--hostname-override': seen('', 'default') },
        },
      ),
      'unknown',
    ],
    ['k3s sets it', kubeletFact({ '--hostname-override': 'node-2' }, { distribution: 'k3s' }), 'notApplicable'],
    ['not known', kubeletFact({}, { observed: { '--hostname-override': UNKNOWN } }), 'unknown'],
  ],
  'kubelet.iptables-chains': [
    ['off', kubeletFact({ makeIPTablesUtilChains: 'false' }), 'fail'],
    ['not known', kubeletFact({}, { observed: { makeIPTablesUtilChains: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.kube-proxy-metrics': [
    ['open to the network', kubeletFact({}, { proxies: proxiesOn('0.0.0.0') }), 'fail'],
    // kube-bench fails the loopback address of IPv6.
    ['IPv6 loopback', kubeletFact({}, { proxies: proxiesOn('::1') }), 'pass'],
    ['one of two', kubeletFact({}, { proxies: proxiesOn('127.0.0.1', '::') }), 'fail'],
    ['no kube-proxy', kubeletFact({}, { proxies: seen([], '/proc') }), 'notApplicable'],
    ['on another port', kubeletFact({}, { proxies: proxiesOn() }), 'unknown'],
  ],
  'kubelet.pending-restart': [
    ['a newer file', kubeletFact({}, { files: NEWER }), 'manual'],
    ['no file', kubeletFact({}, { files: [] }), 'notApplicable'],
    ['a file of unknown age', kubeletFact({}, { files: [{ path: '/a', modifiedAtMs: 0 }] }), 'unknown'],
  ],
  'kubelet.pod-pids-limit': [
    // kube-bench passes any value that is set.
    ['no limit', kubeletFact({ podPidsLimit: '-1' }), 'fail'],
    ['zero', kubeletFact({ podPidsLimit: '0' }), 'fail'],
    ['not known', kubeletFact({}, { observed: { podPidsLimit: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.protect-kernel-defaults': [
    ['off', kubeletFact({ protectKernelDefaults: 'false' }), 'fail'],
    ['not known', kubeletFact({}, { observed: { protectKernelDefaults: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.read-only-port': [
    ['configured, not open', kubeletFact({ readOnlyPort: '10255' }), 'fail'],
    [
      'open, whatever is configured',
      kubeletFact({}, { listeners: seen([{ address: '::', port: 10255, loopback: false }], '/proc/712/net/tcp') }),
      'fail',
      { reason: /10255/ },
    ],
    [
      'another port',
      kubeletFact(
        { readOnlyPort: '8081' },
        { listeners: seen([{ address: '::', port: 8081, loopback: false }], '/proc/712/net/tcp') },
      ),
      'fail',
      { reason: /8081/ },
    ],
    ['sockets not known', kubeletFact({}, { listeners: DENIED }), 'unknown'],
    ['configured, sockets not known', kubeletFact({ readOnlyPort: '1' }, { listeners: DENIED }), 'fail'],
    ['setting not known', kubeletFact({}, { observed: { readOnlyPort: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.seccomp-default': [
    // kube-bench passes any value that is set.
    ['off', kubeletFact({ seccompDefault: 'false' }), 'fail'],
    ['not known', kubeletFact({}, { observed: { seccompDefault: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.serving-certificate': [
    ['self-signed', kubeletFact({}, { api: certificate({ selfSigned: true }) }), 'fail'],
    [
      'signed by an authority that the kubelet made',
      kubeletFact({}, { api: certificate({ issuer: 'CN=node-1-ca@1790000000' }) }),
      'fail',
    ],
    [
      'expired',
      kubeletFact({}, { api: certificate({ notAfterMs: Date.UTC(2026, 1, 1) }) }),
      'fail',
      { reason: /expired/ },
    ],
    ['neither file nor cluster, not probed', kubeletFact({ serverTLSBootstrap: 'false' }, NO_PROBE), 'fail'],
    ['not probed', kubeletFact({}, NO_PROBE), 'unknown'],
    ['nothing listens', kubeletFact({}, { api: NOT_PROBED }), 'unknown'],
  ],
  'kubelet.serving-certificate-rotation': [
    // kube-bench looks at the feature gate only.
    ['not from the cluster', kubeletFact({ serverTLSBootstrap: 'false' }), 'fail'],
    ['the gate is off', kubeletFact({ featureGates: 'A=true,RotateKubeletServerCertificate=false' }), 'fail'],
    // In releases of the kubelet to this day the feature is beta.
    ['all beta features are off', kubeletFact({ featureGates: 'AllBeta=false' }), 'fail'],
    ['all but this one', kubeletFact({ featureGates: 'AllBeta=false,RotateKubeletServerCertificate=true' }), 'pass'],
    [
      'a file of others',
      kubeletFact({ serverTLSBootstrap: 'false', tlsCertFile: '/etc/kubelet.crt' }),
      'notApplicable',
    ],
    ['not known', kubeletFact({}, { observed: { serverTLSBootstrap: UNKNOWN } }), 'unknown'],
  ],
  'kubelet.source-addresses': [
    // kube-bench looks for the directive of the unit among the flags of the kubelet.
    ['no filter', filtered({ deny: [], allow: [] }), 'manual', { reason: /firewall/ }],
    ['one family only', filtered({ deny: ['0.0.0.0/0'] }), 'manual'],
    ['both families', filtered({ deny: ['::/0', '0.0.0.0/0'] }), 'pass'],
    ['everybody is let in again', filtered({ allow: ['any'] }), 'fail'],
    ['in two halves', filtered({ allow: ['0.0.0.0/1', '128.0.0.0/1'] }), 'fail'],
    ['all of IPv6', filtered({ allow: ['10.0.0.0/8', '2000::/3'] }), 'fail'],
    ['own networks', filtered({ allow: ['localhost', '10.0.0.0/8', 'fd00::/8', '192.0.2.1'] }), 'pass'],
    ['a newer file proves nothing', filtered({ modifiedAtMs: AFTER_START_MS }), 'unknown', { reason: /was modified/ }],
    [
      'loopback only',
      kubeletFact(
        {},
        {
          addressFilter: seen({ allow: [], deny: [], modifiedAtMs: 0 }, 'kubelet.service'),
          listeners: seen([{ address: '127.0.0.1', port: 10250, loopback: true }], '/proc/712/net/tcp'),
        },
      ),
      'pass',
    ],
    ['in no unit', kubeletFact({}, { addressFilter: absent('/proc/712/cgroup') }), 'notApplicable'],
    ['a unit that cannot be read', kubeletFact({}, { addressFilter: DENIED }), 'unknown'],
  ],
  'kubelet.streaming-idle-timeout': [
    ['none', kubeletFact({ streamingConnectionIdleTimeout: '0s' }), 'fail'],
    ['longer than four hours', kubeletFact({ streamingConnectionIdleTimeout: '4h0m1s' }), 'fail'],
    ['five minutes', kubeletFact({ streamingConnectionIdleTimeout: '5m' }), 'pass'],
    ['not a duration', kubeletFact({ streamingConnectionIdleTimeout: 'forever' }), 'fail'],
    ['not known', kubeletFact({}, { observed: { streamingConnectionIdleTimeout: UNKNOWN } }), 'unknown'],
  ],
};

t.strictSame(Object.keys(ROWS).sort(), KUBELET_CHECKS.map(({ id }) => id).sort(), 'every check has rows');

for (const check of KUBELET_CHECKS) {
  const rows: readonly Row[] = [
    ['a hardened node', kubeletFact(), 'pass'],
    ['no kubelet', noKubelet(), 'notApplicable', { reason: /no kubelet/ }],
    ['a kubelet that was not identified', { ...noKubelet(), process: DENIED }, 'unknown', { reason: /EACCES/ }],
    ['nothing was read of it', { ...kubeletFact(), ...nothingRead() }, 'unknown'],
    ...(ROWS[check.id] ?? []),
  ];
  judgeNodes(
    t,
    check,
    rows.map(([name, kubelet, verdict, more]) => Object.assign({ name, facts: { kubelet }, verdict }, more)),
  );
}

/** A kubelet whose unit filters addresses otherwise than that of the hardened node. */
function filtered(
  change: Partial<Extract<KubeletFact['addressFilter'], { readonly state: 'seen' }>['value']>,
): KubeletFact {
  const { addressFilter } = kubeletFact();
  if (addressFilter.state !== 'seen') throw new Error('no filter');
  return kubeletFact({}, { addressFilter: { ...addressFilter, value: { ...addressFilter.value, ...change } } });
}

/** A kube-proxy that listens for metrics on these addresses; without any, only for its health. */
function proxiesOn(...addresses: readonly string[]): KubeletFact['proxies'] {
  const metrics = addresses.map((address) => ({
    address,
    port: 10249,
    loopback: address === '127.0.0.1' || address === '::1',
  }));
  const listeners = seen([...metrics, { address: '0.0.0.0', port: 10256, loopback: false }], '/proc/803/net/tcp');
  return seen([{ pid: 803, container: true, kubeconfig: absent('/proc/803'), listeners }], '/proc');
}

/** A kubelet of which only the process is known: nothing may be judged as good or bad. */
function nothingRead(): Partial<KubeletFact> {
  return {
    settings: {},
    files: [{ path: '/var/lib/kubelet/config.yaml', modifiedAtMs: 0 }],
    listeners: DENIED,
    api: DENIED,
    addressFilter: DENIED,
    proxies: DENIED,
    clientCertificateAuthorities: DENIED,
  };
}
