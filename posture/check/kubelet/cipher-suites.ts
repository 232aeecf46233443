import type { KubeletFact } from '../../fact/kubelet.ts';
import { fail, manual, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { evidenceOf, kubeletCheck, remedyFor, settingOf } from './setting.ts';

/** ECDHE with an AEAD cipher; names of Go, and their spelling with the hash. */
const STRONG: ReadonlySet<string> = new Set([
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
]);
/** TLS 1.3 has no weak suites, and its own cannot be chosen. */
const TLS13 = /^TLS_(?:AES_(?:128|256)_GCM|CHACHA20_POLY1305)_SHA(?:256|384)$/;
const REMEDY = 'tlsCipherSuites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, …]';
const EXPECTED = 'only ECDHE with AES-GCM or ChaCha20, or TLS 1.3';

export const cipherSuites = kubeletCheck({
  id: 'kubelet.cipher-suites',
  title: 'Kubelet offers strong cipher suites only',
  failTitle: 'Kubelet offers weak cipher suites',
  severity: 'low',
  rationale:
    'Suites without forward secrecy let whoever obtains the key of the node later decrypt what was recorded; CBC suites have a history of attacks.',
  remediation:
    'Set tlsCipherSuites in the configuration of the kubelet to the ECDHE suites with AES-GCM or ChaCha20, or tlsMinVersion: VersionTLS13, and restart it.',
  judge: (kubelet) => {
    const probed = probedSuites(kubelet);
    if (probed?.isWeak === true)
      return fail(`weak suites are accepted: ${remedyFor(kubelet, REMEDY)}`, probed.evidence);
    if (probed !== undefined) return pass(probed.evidence);
    const [suites, minimum] = [settingOf(kubelet, 'tlsCipherSuites'), settingOf(kubelet, 'tlsMinVersion')];
    if (!suites.known) return unknownBecause(suites.reason);
    if (!minimum.known) return unknownBecause(minimum.reason);
    const evidence = evidenceOf('tlsCipherSuites', suites, EXPECTED);
    const doubt = suites.doubt;
    if (minimum.value === 'VersionTLS13') {
      const version = evidenceOf('tlsMinVersion', minimum, EXPECTED);
      return minimum.doubt === '' ? pass(version) : unknownBecause(minimum.doubt, version);
    }
    if (suites.value === '')
      return manual('the defaults depend on the Go release of the kubelet: set the suites explicitly', evidence);
    const weak = suites.value.split(',').filter((suite) => !STRONG.has(suite.trim()) && !TLS13.test(suite.trim()));
    if (weak.length > 0)
      return fail(`weak suites are offered (${weak.slice(0, 4).join(', ')}): ${remedyFor(kubelet, REMEDY)}`, evidence);
    return doubt === '' ? pass(evidence) : unknownBecause(doubt, evidence);
  },
});

/** What the API port accepts; undefined where that is not known. Without TLS 1.2 there are no weak suites. */
function probedSuites({ api }: KubeletFact): { readonly isWeak: boolean; readonly evidence: Evidence } | undefined {
  if (api.state !== 'seen' || api.value.protocol !== 'tls') return undefined;
  const { versions, weakCipherSuites } = api.value;
  const isOnlyModern = versions.length > 0 && versions.every((version) => version === 'TLSv1.3');
  const isOld = versions.some((version) => version === 'TLSv1' || version === 'TLSv1.1');
  const isWeak = isOld || weakCipherSuites === true;
  if (!isWeak && !isOnlyModern && weakCipherSuites === null) return undefined;
  const seen = `${versions.join(', ')}; suites beyond ECDHE with AES-GCM or ChaCha20 ${isWeak ? 'accepted' : 'refused'}`;
  return { isWeak, evidence: { source: api.source, seen, expected: EXPECTED } };
}
