import fc from 'fast-check';
import t from 'tap';
import { parseReference } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import {
  compareSpecificity,
  matchesPattern,
  mostSpecific,
  parseRegistryPattern,
} from '../../policy/registry-pattern.ts';
import type { RegistryPattern } from '../../policy/registry-pattern.ts';
import { cpuMs } from '../fixture/cpu-time.ts';

function pattern(text: string): RegistryPattern {
  const parsed = parseRegistryPattern(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.reason}`);
  return parsed.value;
}

function reference(text: string): ImageReference {
  const parsed = parseReference(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.reason}`);
  return parsed.value;
}

await t.test('what patterns cover', (t) => {
  for (const [text, covered, others] of [
    [
      'registry.example.com/team/*',
      ['registry.example.com/team/app', 'REGISTRY.example.com/team/app', 'registry.example.com:443/team/app:1'],
      [
        'registry.example.com/team',
        'registry.example.com/team/a/b',
        'registry.example.com/teams/app',
        'registry.example.com:5000/team/app',
        'registry.example.com.evil.test/team/app',
        'evil/registry.example.com/team/app',
        'evil.test/registry.example.com/team/app',
        'xregistry.example.com/team/app',
        'team/app',
      ],
    ],
    [
      'registry.example.com/team/**',
      ['registry.example.com/team/app', 'registry.example.com/team/a/b/c'],
      ['registry.example.com/team', 'registry.example.com/other/team/app'],
    ],
    ['registry.example.com/**', ['registry.example.com/a', 'registry.example.com/a/b'], ['a', 'example.com/a']],
    ['r.example:5000/**', ['r.example:5000/a', 'r.example:05000/a'], ['r.example/a', 'r.example:50000/a']],
    [
      '*.example.com/**',
      ['a.example.com/x', 'b.example.com/x/y'],
      ['example.com/x', 'a.b.example.com/x', 'a.example.com.evil.test/x', 'aexample.com/x', 'a.example.com:5000/x'],
    ],
    ['*.dkr.ecr.*.amazonaws.com/app', ['1.dkr.ecr.eu-west-1.amazonaws.com/app'], ['dkr.ecr.x.amazonaws.com/app']],
    ['alpine', ['alpine', 'alpine:3', 'docker.io/library/alpine', 'index.docker.io/alpine'], ['a/alpine', 'alpine2']],
    ['docker.io/alpine', ['alpine'], ['docker.io/a/alpine']],
    ['bitnami/*', ['bitnami/redis', 'registry-1.docker.io/bitnami/redis'], ['bitnami.test/redis', 'redis']],
    ['docker.io/**', ['alpine', 'a/b/c', 'DOCKER.IO/a/b'], ['r.example/a']],
    ['r.example/a*z/b', ['r.example/az/b', 'r.example/abcz/b'], ['r.example/a/z/b', 'r.example/abc/b']],
    ['r.example/a/**/z', ['r.example/a/z', 'r.example/a/b/z', 'r.example/a/b/c/z'], ['r.example/a/b', 'r.example/z']],
    ['**/base', ['r.example/base', 'r.example/x/base', 'base'], ['r.example/base/x', 'r.example/mybase']],
    ['**', ['a', 'r.example:5000/x/y/z', '[::1]/a'], []],
    ['[::1]:5000/**', ['[::1]:5000/a'], ['[::2]:5000/a', '[::1]/a']],
    ['localhost:5000/*', ['localhost:5000/a'], ['localhost/a', 'localhost.evil.test:5000/a']],
  ] as const) {
    for (const image of covered) t.ok(matchesPattern(pattern(text), reference(image)), `${text} covers ${image}`);
    for (const image of others) t.notOk(matchesPattern(pattern(text), reference(image)), `${text}, not ${image}`);
  }
  t.end();
});

await t.test('patterns that would mean something else than they look like are refused', (t) => {
  for (const [text, reason] of [
    ['', /write \*\*/],
    ['*', /ambiguous/],
    ['*/app', /ambiguous/],
    ['registry.example.com', /registry\.example\.com\/\*\*/],
    ['localhost', /alone/],
    ['registry.example.com/', /empty/],
    ['registry.example.com//app', /empty/],
    ['/app', /empty/],
    ['registry.example.com./app', /not a registry/],
    ['registry.example.*/app', /anyone can register/],
    ['*.*/app', /anyone can register/],
    ['reg*.example.com/app', /not a registry/],
    ['https://registry.example.com/app', /scheme/],
    ['user@registry.example.com/app', /no user/],
    ['alpine:3', /no tag/],
    ['r.example/app:3', /no tag/],
    [`r.example/app@sha256:${'a'.repeat(64)}`, /digest/],
    ['r.example/App', /lower case/],
    ['r.example/a**', /whole component/],
    ['r.example/a b', /ASCII/],
    ['registry.exаmple.com/app', /ASCII/],
    ['r.example/..', /not valid/],
    ['r.example/[a-z]', /not valid/],
    ['a'.repeat(600), /at most 512/],
  ] as const) {
    const parsed = parseRegistryPattern(text);
    t.match(parsed.ok ? 'accepted' : parsed.reason, reason, JSON.stringify(text.slice(0, 60)));
  }
  t.end();
});

await t.test('patterns sort from the most specific', (t) => {
  const sorted = [
    'r.example/team/app',
    'r.example/team/app-*',
    'r.example/team/a*',
    'r.example/team/*',
    'r.example/team/**',
    'r.example/*/app',
    'r.example/**',
    '*.r.example/team/app',
    '*.example/**',
    '**/app',
    '**',
  ].map(pattern);
  const shuffled = sorted.toReversed();
  t.same(
    shuffled.sort(compareSpecificity).map(({ text }) => text),
    sorted.map(({ text }) => text),
  );
  t.end();
});

await t.test('the most specific pattern wins, equal ones are both given', (t) => {
  const rules = ['**', 'r.example/**', 'r.example/team/*', 'r.example/*/app', 'R.example:443/team/*'].map(pattern);
  const won = (image: string): readonly string[] =>
    mostSpecific(rules, (rule) => rule, reference(image)).map(({ text }) => text);
  t.same(won('r.example/other'), ['r.example/**']);
  t.same(won('r.example/x/app'), ['r.example/*/app']);
  t.same(won('r.example/team/app'), ['r.example/team/*', 'R.example:443/team/*']);
  t.same(won('alpine'), ['**']);
  t.same(
    mostSpecific([], (rule: RegistryPattern) => rule, reference('alpine')),
    [],
  );
  t.end();
});

await t.test('the order is total, and matching agrees with a regular expression', (t) => {
  const component = fc.constantFrom('a', 'b', 'ab', '*', 'a*', '*b', '**');
  const host = fc.constantFrom('r.example', '*.example', 's.example:5000');
  const patterns = fc
    .tuple(host, fc.array(component, { minLength: 1, maxLength: 5 }))
    .map(([registry, path]) => pattern([registry, ...path].join('/')));
  const name = fc
    .array(fc.constantFrom('a', 'b', 'ab', 'aab'), { minLength: 1, maxLength: 5 })
    .map((path) => reference(`r.example/${path.join('/')}`));
  fc.assert(
    fc.property(patterns, patterns, patterns, (a, b, c) => {
      const sign = (x: RegistryPattern, y: RegistryPattern): number => Math.sign(compareSpecificity(x, y));
      if (sign(a, b) !== -sign(b, a)) return false;
      return !(sign(a, b) <= 0 && sign(b, c) <= 0) || sign(a, c) <= 0;
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(patterns, name, (one, image) => {
      const [registry = '', ...path] = one.text.split('/');
      const body = path
        .map((part, index) =>
          part === '**'
            ? index === path.length - 1
              ? '(?:/[^/]+)+'
              : '(?:/[^/]+)*'
            : `/${part.replaceAll('*', '[^/]*')}`,
        )
        .join('');
      const host = registry.replaceAll('.', '\\.').replace('*', '[^./]+');
      const expected = new RegExp(`^${host}${body}$`).test(`${image.registry}/${image.path}`);
      return matchesPattern(one, image) === expected;
    }),
    { numRuns: 3000 },
  );
  t.end();
});

await t.test('hostile patterns match in bounded time', (t) => {
  const start = cpuMs();
  const stars = pattern(`r.example/${'a*'.repeat(120)}b`);
  t.notOk(matchesPattern(stars, reference(`r.example/${'a'.repeat(250)}`)));
  const deep = pattern(`r.example/${'**/a/'.repeat(60)}b`);
  t.notOk(matchesPattern(deep, reference(`r.example/${'a/'.repeat(120)}c`)));
  t.ok(cpuMs() - start < 200);
  t.end();
});
