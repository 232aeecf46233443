import type { Settings } from '../service/config/settings.ts';
import { TlsError } from '../service/tls/tls-error.ts';
import { readAwsCredentials } from './sink/aws-credentials.ts';
import type { Environment } from './sink/aws-credentials.ts';
import { bucketUrl, createS3Sink } from './sink/s3.ts';
import type { S3Options } from './sink/s3.ts';
import { createSecurityHubSink } from './sink/security-hub.ts';
import type { Sink } from './sink/sink.ts';

/** What sinks to AWS are opened with. */
export interface AwsSinkParts extends Pick<S3Options, 'name' | 'clock' | 'render'> {
  readonly settings: Settings;
  /** Where credentials can be; absent: nothing. */
  readonly environment?: Environment;
}

/** The URL of the bucket. Called only where the sink is on. */
export function s3Url({ sinkS3: endpoint, sinkS3Bucket: bucket, sinkS3Style: style }: Settings): string {
  return bucketUrl(endpoint, bucket, style);
}

/** Opens the archive. Throws TlsError if a setting for it is missing. */
export function openS3({ settings, environment = {}, ...parts }: AwsSinkParts): Sink {
  if (settings.sinkS3Bucket === 'none')
    throw new TlsError('absent', 'sink-s3 is on without a bucket: set sink-s3-bucket');
  return createS3Sink({
    ...parts,
    format: settings.sinkS3Format,
    url: s3Url(settings),
    region: settings.sinkS3Region,
    owner: settings.sinkS3BucketOwner === 'any' ? '' : settings.sinkS3BucketOwner,
    prefix: settings.sinkS3Prefix,
    caFile: settings.sinkS3Ca,
    credentials: () => readAwsCredentials(settings.sinkS3Credentials, environment),
    limits: {
      maxAgeMs: settings.sinkS3MaxAge,
      maxEvents: settings.sinkS3MaxEvents,
      maxBytes: settings.sinkS3MaxBytes,
    },
  });
}

/** Opens Security Hub. Throws TlsError if a setting for it is missing. */
export function openSecurityHub({ settings, environment = {}, ...parts }: AwsSinkParts): Sink {
  const { sinkSecurityHubAccount: account, sinkSecurityHubCredentials: credentials } = settings;
  if (account === 'none')
    throw new TlsError('absent', 'sink-security-hub is on without an account: set sink-security-hub-account');
  return createSecurityHubSink({
    ...parts,
    account,
    endpoint: settings.sinkSecurityHub,
    region: settings.sinkSecurityHubRegion,
    caFile: settings.sinkSecurityHubCa,
    credentials: () => readAwsCredentials(credentials, environment),
  });
}
