import fc from 'fast-check';
import t from 'tap';
import { canonicalRegistry, formatReference, isDigest, parseReference } from '../../policy/reference.ts';
import { TEST_IMAGE, testDocker } from '../component/docker.ts';
import { cpuMs } from '../fixture/cpu-time.ts';

const SHA256 = `sha256:${'0123456789abcdef'.repeat(4)}`;

/** By the grammar and the rules of distribution/reference (reference.go, normalize.go). */
const COMPLETED: readonly (readonly [string, string])[] = [
  ['alpine', 'docker.io/library/alpine:latest'],
  ['alpine:3.22', 'docker.io/library/alpine:3.22'],
  [`alpine@${SHA256}`, `docker.io/library/alpine@${SHA256}`],
  [`alpine:3@${SHA256}`, `docker.io/library/alpine:3@${SHA256}`],
  ['bitnami/redis', 'docker.io/bitnami/redis:latest'],
  ['library/alpine', 'docker.io/library/alpine:latest'],
  ['docker.io/alpine', 'docker.io/library/alpine:latest'],
  ['docker.io/bitnami/redis:7', 'docker.io/bitnami/redis:7'],
  ['index.docker.io/alpine', 'docker.io/library/alpine:latest'],
  ['index.docker.io/a/b', 'docker.io/a/b:latest'],
  ['localhost/app', 'localhost/app:latest'],
  ['localhost:5000/app:1', 'localhost:5000/app:1'],
  ['localhost', 'docker.io/library/localhost:latest'],
  ['registry.example.com', 'docker.io/library/registry.example.com:latest'],
  ['registry.example.com/app', 'registry.example.com/app:latest'],
  ['registry.example.com:5000/team/app:v1', 'registry.example.com:5000/team/app:v1'],
  ['registry:5000/app', 'registry:5000/app:latest'],
  ['registry:5000', 'docker.io/library/registry:5000'],
  ['REGISTRY/app', 'REGISTRY/app:latest'],
  ['Registry.Example.com/app', 'Registry.Example.com/app:latest'],
  ['DOCKER.IO/alpine', 'DOCKER.IO/alpine:latest'],
  ['127.0.0.1:5000/app', '127.0.0.1:5000/app:latest'],
  ['[::1]:5000/app:1', '[::1]:5000/app:1'],
  ['[2001:db8::1]/app', '[2001:db8::1]/app:latest'],
  ['xn--n3h.example/app', 'xn--n3h.example/app:latest'],
  ['a/b/c/d', 'docker.io/a/b/c/d:latest'],
  ['evil/registry.example.com/app', 'docker.io/evil/registry.example.com/app:latest'],
  ['a__b/c---d/e.f', 'docker.io/a__b/c---d/e.f:latest'],
  ['app:_tag.with-all', 'docker.io/library/app:_tag.with-all'],
  ['app:LATEST', 'docker.io/library/app:LATEST'],
  [`app:${'a'.repeat(128)}`, `docker.io/library/app:${'a'.repeat(128)}`],
  [`app@sha512:${'a'.repeat(128)}`, `docker.io/library/app@sha512:${'a'.repeat(128)}`],
  [`r.example/${'a'.repeat(255)}`, `r.example/${'a'.repeat(255)}:latest`],
  ['deadbeef', 'docker.io/library/deadbeef:latest'],
  ['sha256:abc', 'docker.io/library/sha256:abc'],
];

const REFUSED: readonly (readonly [string, string])[] = [
  ['', 'empty'],
  [' alpine', 'malformed'],
  ['alpine\n', 'malformed'],
  ['alpine ', 'malformed'],
  ['alpine:', 'malformed'],
  ['alpine@', 'malformed'],
  [':tag', 'malformed'],
  ['@' + SHA256, 'malformed'],
  ['/alpine', 'malformed'],
  ['alpine/', 'malformed'],
  ['a//b', 'malformed'],
  ['-alpine', 'malformed'],
  ['alpine-', 'malformed'],
  ['a___b', 'malformed'],
  ['a..b', 'malformed'],
  ['a._b', 'malformed'],
  ['r.example/../etc', 'malformed'],
  ['r.example/a/./b', 'malformed'],
  ['Alpine', 'uppercase'],
  ['r.example/App', 'uppercase'],
  ['alpine:tag:tag', 'malformed'],
  ['alpine:.tag', 'malformed'],
  [`app:${'a'.repeat(129)}`, 'malformed'],
  [`r.example/${'a'.repeat(256)}`, 'tooLong'],
  [`${'a.'.repeat(200)}b/app`, 'tooLong'],
  ['a'.repeat(1025), 'tooLong'],
  ['-r.example/app', 'malformed'],
  ['r..example/app', 'malformed'],
  ['r.example./app', 'malformed'],
  ['r.example:/app', 'malformed'],
  ['r.example:port/app', 'malformed'],
  ['user@r.example/app', 'malformed'],
  ['user:pass@r.example/app', 'malformed'],
  ['https://r.example/app', 'malformed'],
  ['registry.exаmple.com/app', 'malformed'],
  ['r.example/ａpp', 'malformed'],
  ['[fe80::1%eth0]/app', 'malformed'],
  ['r.example\\app', 'malformed'],
  ['r.example/app?x=y', 'malformed'],
  ['r.example/app#x', 'malformed'],
  ['r.example/%61pp', 'malformed'],
  ['a_b.example/app', 'malformed'],
  ['0123456789abcdef'.repeat(4), 'identifier'],
  [SHA256, 'identifier'],
  [`app@sha256:${'a'.repeat(63)}`, 'unsupportedDigest'],
  [`app@sha256:${'A'.repeat(64)}`, 'unsupportedDigest'],
  [`app@md5:${'a'.repeat(32)}`, 'unsupportedDigest'],
  [`app@${SHA256}@${SHA256}`, 'malformed'],
];

await t.test('references are completed as Docker does it', (t) => {
  for (const [text, expected] of COMPLETED) {
    const parsed = parseReference(text);
    t.equal(parsed.ok ? formatReference(parsed.value) : parsed.code, expected, text.slice(0, 80));
  }
  t.end();
});

await t.test('what is no reference is refused with its code', (t) => {
  for (const [text, code] of REFUSED) {
    const parsed = parseReference(text);
    t.equal(parsed.ok ? formatReference(parsed.value) : parsed.code, code, JSON.stringify(text.slice(0, 80)));
  }
  t.end();
});

await t.test('texts that Docker may take as the beginning of an id are marked', (t) => {
  for (const [text, expected] of [
    ['cafe', true],
    ['sha256:12ab', true],
    ['cafe:latest', false],
    ['library/cafe', false],
    ['alpine', false],
  ] as const) {
    const parsed = parseReference(text);
    t.equal(parsed.ok && parsed.value.mayBeId, expected, text);
  }
  t.end();
});

await t.test('a digest wins, and the tag stays known', (t) => {
  t.match(parseReference(`r.example/app:1@${SHA256}`), { ok: true, value: { tag: '1', digest: SHA256 } });
  t.equal(Object.hasOwn((parseReference(`app@${SHA256}`) as { value: object }).value, 'tag'), false);
  t.ok(isDigest(SHA256));
  for (const text of [
    'sha256:',
    'sha256',
    `sha1:${'a'.repeat(40)}`,
    `${SHA256} `,
    `${SHA256.slice(0, -1)}g`,
    '__proto__:a',
  ])
    t.notOk(isDigest(text), text);
  t.end();
});

await t.test('spellings of one registry compare equal', (t) => {
  for (const [text, expected] of [
    ['R.Example.COM', 'r.example.com'],
    ['r.example.com:443', 'r.example.com'],
    ['r.example.com:0443', 'r.example.com'],
    ['r.example.com:05000', 'r.example.com:5000'],
    ['index.docker.io', 'docker.io'],
    ['registry-1.docker.io:443', 'docker.io'],
    ['DOCKER.IO', 'docker.io'],
    ['[::1]:443', '[::1]'],
    ['[2001:db8::1]', '[2001:db8::1]'],
    ['r.example.com:80', 'r.example.com:80'],
  ] as const)
    t.equal(canonicalRegistry(text), expected, text);
  t.end();
});

await t.test('any text is answered, and what is accepted is accepted again in its complete form', (t) => {
  const part = fc.stringMatching(/^[a-zA-Z0-9._:@/[\]-]{0,40}$/);
  fc.assert(
    fc.property(fc.oneof(part, fc.string({ unit: 'binary', maxLength: 60 })), (text) => {
      const parsed = parseReference(text);
      if (!parsed.ok) return true;
      const again = parseReference(formatReference(parsed.value));
      return again.ok && formatReference(again.value) === formatReference(parsed.value);
    }),
    { numRuns: 5000 },
  );
  t.end();
});

await t.test('hostile lengths cost nothing', (t) => {
  const start = cpuMs();
  for (const text of ['a'.repeat(1e6), 'a-'.repeat(5e5), `r.example/${'a-'.repeat(500)}!`, `${'a.'.repeat(400)}!/a`])
    t.notOk(parseReference(text).ok);
  t.ok(cpuMs() - start < 200);
  t.end();
});

const available = testDocker();
const skip = 'reason' in available ? available.reason : false;
await t.test('dockerd completes and refuses the same references', { skip }, async (t) => {
  if (!('docker' in available)) return;
  const { docker } = available;
  const name = `plimsoll-reference-${String(process.pid)}`;
  const tagged = async (text: string): Promise<string> => {
    try {
      await docker.docker('tag', TEST_IMAGE, text);
    } catch {
      return 'refused';
    }
    await docker.docker('rmi', text);
    return 'accepted';
  };
  for (const text of [`${name}:1`, `r.example:5000/${name}`, `index.docker.io/${name}:x`, `docker.io/a/${name}`]) {
    await docker.docker('tag', TEST_IMAGE, text);
    const shown = JSON.parse(await docker.docker('inspect', '-f', '{{json .RepoTags}}', text)) as readonly string[];
    const parsed = parseReference(text);
    const complete = parsed.ok ? formatReference(parsed.value) : '';
    const familiar = complete.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '');
    t.ok(shown.includes(familiar), `${text} is ${familiar}`);
    await docker.docker('rmi', text);
  }
  for (const text of [name.toUpperCase(), `a//${name}`, `a..b/${name}`, `r.example./${name}`, `r.example/${name}:.x`])
    t.equal(parseReference(text).ok ? 'accepted' : 'refused', await tagged(text), text);
});
