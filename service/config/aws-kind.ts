import type { Kind } from './kind.ts';

/** The name of a bucket: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, or `none`. */
export function bucketName(): Kind<string> {
  return {
    name: 'bucket',
    expects: 'a name of 3 to 63 lower-case letters, digits, dots and dashes, or none',
    read: (text) =>
      text === 'none' || (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) && !text.includes('..')) ? text : undefined,
  };
}

/** The start of keys of objects, with a slash at its end; empty is allowed. */
export function keyPrefix(): Kind<string> {
  return {
    name: 'prefix',
    expects: 'nothing, or a path such as plimsoll/production/ with a slash at its end',
    read: (text) => (text.length <= 500 && /^(?:[A-Za-z0-9_=-][A-Za-z0-9._=-]*\/)*$/.test(text) ? text : undefined),
  };
}

/** The 12 digits of an account, or `or`. */
export function accountId(or: string): Kind<string> {
  return {
    name: 'account',
    expects: `an account id of 12 digits, or ${or}`,
    read: (text) => (text === or || /^\d{12}$/.test(text) ? text : undefined),
  };
}

/** A region such as `eu-central-1`. */
export function awsRegion(): Kind<string> {
  return {
    name: 'region',
    expects: 'a region such as eu-central-1',
    read: (text) => (/^[a-z0-9-]{1,32}$/.test(text) ? text : undefined),
  };
}
