import type { SinkTestStep } from './sink-test.ts';

/** What to do, by the step that failed and what is in the reason: codes of the system, of OpenSSL, of HTTP. NAME: that of the sink. */
const ADVICE: readonly (readonly [step: SinkTestStep['step'], reason: RegExp, advice: string])[] = [
  ['resolve', /^E/, 'correct the host name in the setting of the sink, or the name resolution of this machine'],
  ['connect', /ECONNREFUSED/, 'start the receiver, or correct the port'],
  ['connect', /./, 'is there a route, and does no firewall block the port?'],
  ['tls', /ALTNAME/, 'use a name of its certificate in the setting of the sink'],
  ['tls', /EXPIRED|NOT_YET_VALID/, 'renew the certificate of the receiver, or correct the clock'],
  [
    'tls',
    /UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|UNTRUSTED|SIGNATURE|INVALID_CA/,
    'set sink-NAME-ca to the CA of the receiver',
  ],
  ['tls', /ALERT/, 'does the receiver want a client certificate? Set sink-NAME-cert and sink-NAME-key'],
  ['tls', /WRONG_VERSION|PACKET_LENGTH|HTTP_REQUEST|ECONNRESET/, 'the port does not speak TLS: use another'],
  ['tls', /./, 'check the certificate of the receiver, and sink-NAME-ca, -cert and -key'],
  ['authenticate', /TimeTooSkewed/, 'set the clock of this machine by NTP: a signed request is valid for 15 minutes'],
  ['authenticate', /ExpiredToken|TokenRefresh/, 'the temporary credentials have ended: renew the file with them'],
  ['authenticate', /./, 'check the token, key or client certificate of the sink, and what it may do at the receiver'],
  ['send', /internal error/, 'this is a defect of Plimsoll, not of the receiver: please report it'],
  ['send', /NoSuchBucket/, 'create the bucket, or correct its name'],
  ['send', /in the region|AuthorizationHeaderMalformed/, 'set the region of the sink to that of the bucket'],
  ['send', /HTTP (404|405|2\d\d, but)/, 'correct the path of the URL'],
  ['send', /no stream|does not exist/, 'create it at the receiver, or correct the setting'],
  ['send', /ackId/, 'change one of the two'],
  ['send', /HTTP 3\d\d/, 'use the URL that the receiver redirects to'],
  [
    'send',
    /HTTP (400|413|415|422)/,
    'the receiver does not take events in this form: check its URL and sink-NAME-format',
  ],
  ['send', /HTTP 429/, 'the receiver limits requests: try again later, or raise its limit'],
  ['send', /HTTP 5\d\d/, 'the receiver is overloaded or broken: look at its log'],
  ['send', /HPE_/, 'the port does not speak HTTP: use another'],
  [
    'send',
    /ECONNRESET|PLT_KFK_NETWORK|ended the connection|broke/,
    'does this port speak the protocol of the sink, and does it want TLS or a client certificate? Look at the log of the receiver',
  ],
  [
    'send',
    /no answer|not read to the end|taken nothing/,
    'does this port speak the protocol of the sink? Look at the log and the load of the receiver',
  ],
  ['send', /EACCES|ENOENT|EROFS|ENOSPC/, 'can the collector write the file?'],
  ['send', /./, 'look at the log of the receiver'],
];

/** What to do about a step of the test of a sink that failed for `reason`. */
export function adviceOf(name: string, step: SinkTestStep['step'], reason: string): string {
  const advice = ADVICE.find(([of, pattern]) => of === step && pattern.test(reason))?.[2] ?? '';
  return advice.replaceAll('NAME', name);
}
