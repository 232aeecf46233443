import t from 'tap';
import { readAwsCredentials } from '../../../collector/sink/aws-credentials.ts';
import { signRequest } from '../../../collector/sink/aws-signature.ts';
import { whyRefused } from './sigv4.ts';
import type { SignedRequest } from './sigv4.ts';

/* The examples of the Amazon S3 API Reference, "Examples: Signature Calculations". */
const KEY = 'AKIAIOSFODNN7EXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const NOW = Date.parse('2013-05-24T00:00:00Z');
const HOST = 'examplebucket.s3.amazonaws.com';
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const SCOPE = `${KEY}/20130524/us-east-1/s3/aws4_request`;
const PUT_SIGNATURE = '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd';
const PUBLISHED: readonly (readonly [string, string, Readonly<Record<string, string>>, string, string])[] = [
  ['GET', '/test.txt', { range: 'bytes=0-9' }, '', 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41'],
  ['GET', '/?lifecycle', {}, '', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
  ['GET', '/?max-keys=2&prefix=J', {}, '', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  [
    'PUT',
    '/test$file.text',
    { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
    'Welcome to Amazon S3.',
    PUT_SIGNATURE,
  ],
];

const server = {
  secretOf: (id: string) => (id === KEY ? SECRET : undefined),
  region: 'us-east-1',
  service: 's3',
  nowMs: NOW + 60_000,
};

void t.test('the verifier of the tests accepts the published requests, and nothing that was changed', (t) => {
  for (const [method, target, own, body, signature] of PUBLISHED) {
    const signed: Readonly<Record<string, string>> = {
      ...own,
      host: HOST,
      'x-amz-date': '20130524T000000Z',
      'x-amz-content-sha256': body === '' ? EMPTY : '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    };
    const names = Object.keys(signed).sort().join(';');
    const authorization = `AWS4-HMAC-SHA256 Credential=${SCOPE},SignedHeaders=${names},Signature=${signature}`;
    const request: SignedRequest = { method, target, headers: { ...signed, authorization }, body: Buffer.from(body) };
    t.equal(whyRefused(request, server), undefined, target);
    const changed: readonly (readonly [Partial<SignedRequest>, string])[] = [
      [{ method: 'DELETE' }, 'SignatureDoesNotMatch'],
      [{ target: '/other' }, 'SignatureDoesNotMatch'],
      [{ body: Buffer.from('x') }, 'XAmzContentSHA256Mismatch'],
      [{ headers: { ...request.headers, host: 'other.example' } }, 'SignatureDoesNotMatch'],
      [{ headers: { ...request.headers, 'x-amz-acl': 'public-read' } }, 'AccessDenied'],
    ];
    for (const [over, code] of changed) t.equal(whyRefused({ ...request, ...over }, server), code);
    t.equal(whyRefused(request, { ...server, nowMs: NOW + 16 * 60_000 }), 'RequestTimeTooSkewed');
    t.equal(whyRefused(request, { ...server, secretOf: () => 'other' }), 'SignatureDoesNotMatch');
  }
  t.end();
});

void t.test('our signature of the published request is the published one', (t) => {
  const { authorization } = signRequest(
    {
      method: 'PUT',
      url: `https://${HOST}/test%24file.text`,
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      body: 'Welcome to Amazon S3.',
    },
    {
      service: 's3',
      region: 'us-east-1',
      credentials: { accessKeyId: KEY, secretAccessKey: SECRET },
      nowMs: NOW,
    },
  );
  t.match(authorization, `Credential=${SCOPE}, `);
  t.ok(authorization?.endsWith(`Signature=${PUT_SIGNATURE}`));
  t.end();
});

void t.test('credentials of a file or of the environment; errors quote none', async (t) => {
  const directory = t.testdir({
    plain: 'aws_access_key_id=AKIA1\naws_secret_access_key = s3cret/+=\n',
    profiles: `# keys
[other]
aws_access_key_id = AKIA2
aws_secret_access_key = wrong-secret
[default]
; temporary
  aws_access_key_id = AKIA3\r
aws_secret_access_key=right-secret
aws_session_token = IQoJb3Jp//ZZ==
region = eu-central-1
`,
    other: '[other]\naws_access_key_id = AKIA2\naws_secret_access_key = wrong-secret\n',
    half: 'aws_access_key_id = AKIA1\n',
    injected: 'aws_access_key_id = AKIA1, SignedHeaders=host\naws_secret_access_key = wrong-secret\n',
    binary: 'aws_access_key_id = AKIA1\naws_secret_access_key = wrong-secret\u0000\n',
  });
  t.same(await readAwsCredentials(`${directory}/plain`, {}), {
    accessKeyId: 'AKIA1',
    secretAccessKey: 's3cret/+=',
    sessionToken: undefined,
  });
  t.same(await readAwsCredentials(`${directory}/profiles`, {}), {
    accessKeyId: 'AKIA3',
    secretAccessKey: 'right-secret',
    sessionToken: 'IQoJb3Jp//ZZ==',
  });
  const environment = { AWS_ACCESS_KEY_ID: 'AKIA4', AWS_SECRET_ACCESS_KEY: 'x', AWS_SESSION_TOKEN: '' };
  t.match(await readAwsCredentials('environment', environment), { accessKeyId: 'AKIA4', secretAccessKey: 'x' });
  for (const [file, reason] of [
    ['other', /no aws_access_key_id in its section \[default\]/],
    ['half', /no aws_secret_access_key/],
    ['injected', /aws_access_key_id in .* has characters/],
    ['binary', /aws_secret_access_key in .* has characters/],
    ['absent', /does not exist/],
  ] as const) {
    const error: unknown = await readAwsCredentials(`${directory}/${file}`, environment).catch(
      (error: unknown) => error,
    );
    t.match(error, { message: reason }, file);
    t.notMatch(String(error), 'wrong-secret');
  }
  await t.rejects(readAwsCredentials('environment', { AWS_ACCESS_KEY_ID: 'AKIA4' }), {
    message: /AWS_SECRET_ACCESS_KEY is not set/,
  });
});
