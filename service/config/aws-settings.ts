import { accountId, awsRegion, bucketName, keyPrefix } from './aws-kind.ts';
import { findingGroups } from './event-group.ts';
import { duration, httpsUrlOrOff, integer, pathOr, receiverUrlOrOff, size, word } from './kind.ts';
import type { SettingDefinition } from './setting.ts';
import { CA, COLLECTOR, EVENTS, FILTER, LINE_FORMAT, REDACT } from './sink-setting-parts.ts';

const CREDENTIALS = {
  kind: pathOr('environment'),
  default: 'environment',
  description:
    'Shared credentials file of AWS, whose section `default` is used; `environment`: the variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the collector.',
  programs: COLLECTOR,
} as const satisfies SettingDefinition<unknown>;

/** Settings of sinks to services of AWS, and to those with the same protocol. */
export const AWS_SETTINGS = {
  'sink-s3': {
    kind: receiverUrlOrOff('https://s3.eu-central-1.amazonaws.com'),
    default: 'off',
    description: 'Endpoint of Amazon S3, or of a storage with the same protocol, for an archive of events; or `off`.',
    programs: COLLECTOR,
  },
  'sink-s3-events': EVENTS,
  'sink-s3-filter': FILTER,
  'sink-s3-redact': REDACT,
  'sink-s3-format': LINE_FORMAT,
  'sink-s3-ca': CA,
  'sink-s3-bucket': {
    kind: bucketName(),
    default: 'none',
    description: 'Bucket of the objects. It must exist.',
    programs: COLLECTOR,
  },
  'sink-s3-bucket-owner': {
    kind: accountId('any'),
    default: 'any',
    description:
      'Account of AWS that must own the bucket: nothing is sent to a bucket that someone else created under its name. `any`: it is not verified.',
    programs: COLLECTOR,
  },
  'sink-s3-region': {
    kind: awsRegion(),
    default: 'us-east-1',
    description: 'Region of the bucket, which requests are signed for.',
    programs: COLLECTOR,
  },
  'sink-s3-style': {
    kind: word('path', 'virtual-host'),
    default: 'path',
    description: 'Where the name of the bucket is in URLs: in the path, or in front of the host name of the endpoint.',
    programs: COLLECTOR,
  },
  'sink-s3-prefix': {
    kind: keyPrefix(),
    default: 'plimsoll/',
    description: 'Start of the key of each object, with a slash at its end, or nothing.',
    programs: COLLECTOR,
  },
  'sink-s3-credentials': CREDENTIALS,
  'sink-s3-max-age': {
    kind: duration('1s', '24h'),
    default: '5m',
    description: 'Time after the first event of an object when it is uploaded, however few events it has.',
    programs: COLLECTOR,
  },
  'sink-s3-max-events': {
    kind: integer(1, 1_000_000),
    default: '100000',
    description: 'Events of one object.',
    programs: COLLECTOR,
  },
  'sink-s3-max-bytes': {
    kind: size('64KiB', '1GiB'),
    default: '64MiB',
    description:
      'Size of one object before compression. Its compressed part, about a fifteenth, is in the memory of the collector.',
    programs: COLLECTOR,
  },
  'sink-security-hub': {
    kind: httpsUrlOrOff(),
    default: 'off',
    description: 'Endpoint of AWS Security Hub, such as `https://securityhub.eu-central-1.amazonaws.com`, or `off`.',
    programs: COLLECTOR,
  },
  'sink-security-hub-events': {
    ...EVENTS,
    kind: findingGroups(),
    default: 'findings,vulnerabilities,detections',
    description: 'Groups of events that become findings of Security Hub, separated by commas, or `all` of these three.',
  },
  'sink-security-hub-filter': FILTER,
  'sink-security-hub-redact': REDACT,
  'sink-security-hub-ca': CA,
  'sink-security-hub-account': {
    kind: accountId('none'),
    default: 'none',
    description: 'Account of AWS that the findings belong to. The credentials must be of this account.',
    programs: COLLECTOR,
  },
  'sink-security-hub-region': {
    kind: awsRegion(),
    default: 'us-east-1',
    description: 'Region of Security Hub.',
    programs: COLLECTOR,
  },
  'sink-security-hub-credentials': CREDENTIALS,
} satisfies Record<string, SettingDefinition<unknown>>;
