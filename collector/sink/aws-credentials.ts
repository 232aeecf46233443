import { readSinkFile } from './http-client.ts';
import type { AwsCredentials } from './aws-signature.ts';

/** Environment variables of the collector. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Credentials from a shared credentials file of AWS (its section `default`, or lines without a section), or from the
 * variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` where `source` is `environment`. Rejects
 * with RangeError, which says what is missing and quotes no value.
 */
export async function readAwsCredentials(source: string, environment: Environment): Promise<AwsCredentials> {
  const isEnvironment = source === 'environment';
  const values = isEnvironment ? environment : parseFile((await readSinkFile(source, 'environment')) ?? '');
  const read = (name: string, pattern: RegExp): string | undefined => {
    const value = values[isEnvironment ? name.toUpperCase() : name] ?? '';
    if (value === '') return undefined;
    if (!pattern.test(value)) throw new RangeError(`${name} in ${source} has characters that it cannot have`);
    return value;
  };
  // What goes into a header must not end it, nor look like another part of it.
  const accessKeyId = read('aws_access_key_id', /^[A-Za-z0-9._-]{1,128}$/);
  const secretAccessKey = read('aws_secret_access_key', /^[!-~]{1,256}$/);
  const sessionToken = read('aws_session_token', /^[!-~]{1,8192}$/);
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const missing = accessKeyId === undefined ? 'aws_access_key_id' : 'aws_secret_access_key';
    throw new RangeError(
      isEnvironment
        ? `the environment variable ${missing.toUpperCase()} is not set: name a file with credentials in the settings of the sink`
        : `${source} has no ${missing} in its section [default]`,
    );
  }
  return { accessKeyId, secretAccessKey, sessionToken };
}

/** `name = value` on each line, in sections; comments begin with `#` or `;`. Other sections are other profiles. */
function parseFile(text: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  let isDefault = true;
  for (const line of text.split('\n')) {
    const [, section] = /^\s*\[([^\]]*)\]/.exec(line) ?? [];
    if (section !== undefined) isDefault = section.trim() === 'default';
    const [, name, value] = /^\s*([a-z_]{1,64})\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (isDefault && name !== undefined && value !== undefined) values[name] = value;
  }
  return values;
}
