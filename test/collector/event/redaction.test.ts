import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { isVocabulary, parseRedactions, pathText } from '../../../api/event-redaction.ts';
import { eventType } from '../../../api/event-type.ts';
import { toText } from '../../../collector/event/line.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { createRedact } from '../../../collector/event/redaction.ts';
import { createReplaceValues } from '../../../collector/event/replace-values.ts';
import { viewOf } from '../../../collector/event/view/view.ts';
import { toSplunkBody } from '../../../collector/sink/splunk.ts';
import { toFrame } from '../../../collector/sink/syslog-frame.ts';
import type { CelType } from '../../../posture/query/type.ts';
import { ROOT } from '../../../scripts/setup.mjs';
import { cpuMs } from '../../fixture/cpu-time.ts';
import { event, ocsfOf } from '../sink/events.ts';
import { readValidator } from './ocsf/validator.ts';

const KEY = '0123456789abcdef0123456789abcdef';
const FORMATS = ['ocsf', 'ecs', 'cef', 'leef', 'cloudevents', 'falco'] as const;
const page = readFileSync(join(ROOT, 'docs', 'events.md'), 'utf8');
const SAMPLES = (/```ndjson\n([^`]*)```/.exec(page)?.[1] ?? '')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as OcsfEvent);

function redact(text: string, of: OcsfEvent): OcsfEvent {
  const parsed = parseRedactions(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return createRedact(parsed.rules, KEY)(of);
}

/** Why a redaction is refused; empty: it is not. */
function problemOf(text: string): string {
  const parsed = parseRedactions(text);
  return parsed.ok ? '' : parsed.problem;
}

/** Paths of all attributes of events, with their types. */
function pathsOf(type: CelType, path: readonly string[] = []): readonly (readonly [string, CelType])[] {
  if (type.kind === 'list') return pathsOf(type.item, [...path, '[]']);
  const own = path.length === 0 ? [] : [[pathText(path), type] as const];
  if (type.kind !== 'object') return own;
  return [...own, ...[...type.fields].flatMap(([name, inner]) => pathsOf(inner, [...path, name]))];
}
const PATHS = pathsOf(eventType());

await t.test('what can be said in the setting', async (t) => {
  for (const [text, problem] of [
    ['device.hostname', ''],
    ['event.device.hostname=hash , evidences[].data', ''],
    ['evidences[*].data["seen"]=replace,unmapped["a, b=c"]=hash', ''],
    ['status_detail=remove', ''],
    ['device.hostnam', /^`device.hostnam`: device has no attribute `hostnam`; did you mean `hostname`\?$/],
    ['evidences.data', /evidences is a list: write evidences\[\]\.data/],
    ['device[].name', /device is no list/],
    ['device.hostname=hsah', /after `=` comes replace, hash, remove; did you mean `hash`\?/],
    ['device..name', /is not a path/],
    ['metadata.uid', /words of OCSF or of Plimsoll/],
    ['finding_info.analytic.uid=hash', /words of OCSF or of Plimsoll/],
    ['severity=remove', /words of OCSF or of Plimsoll/],
    ['time=remove', /OCSF requires it/],
    ['class_uid', /OCSF requires it, and it is no text/],
    ['device.name=remove', /OCSF requires it, so it cannot be removed: use =replace or =hash/],
    ['count', /it is no text: use =remove/],
    [Array.from({ length: 101 }, () => 'message').join(','), /more than 100/],
  ] as const)
    if (problem === '') t.equal(problemOf(text), '', text);
    else t.match(problemOf(text), problem, text);
  for (const text of ['"', '""""', '[[[', '=', ',,,', 'a["', '('.repeat(2000), '"="='.repeat(500)])
    t.doesNotThrow(() => problemOf(text), text.slice(0, 20));
});

await t.test('no view and no header has a redacted value, wherever it is in the event', async (t) => {
  const secrets = ['pay-db-7', 'a"b\\c\nd', 'bidi\u202Ename', 'Grüße', '\ud800half', '$&', 'x.y*z', '(db|web)', '7'];
  for (const secret of secrets) {
    const subject = { kind: 'container', id: 'c1', name: secret } as const;
    const evidence = [
      { source: `inspect ${secret}`, seen: JSON.stringify({ name: secret }), expected: `not ${secret.toUpperCase()}` },
      { source: secret, seen: secret, expected: '' },
    ];
    const stored = event(1, { subject, evidence, reason: `about <${secret}>`, nodeName: secret });
    const of = { ...ocsfOf(stored), unmapped: { [secret]: { deep: [`${secret}!`] }, verdict: 'fail' } };
    const redacted = redact('resources[].name, device.name=hash', of);
    const pattern = secret === '7' ? /(?<![a-z0-9])7(?![a-z0-9])/i : undefined;
    const forms = [secret, secret.toLowerCase(), JSON.stringify(secret).slice(1, -1)];
    const isIn = (text: string): boolean =>
      pattern === undefined
        ? forms.some((form) => text.toLowerCase().includes(form.toLowerCase()))
        : pattern.test(text);
    const inEvent = JSON.stringify({
      ...redacted,
      metadata: {},
      time: 0,
      compliance: {},
      finding_info: {},
      remediation: {},
    });
    t.notOk(isIn(inEvent), JSON.stringify(secret));
    if (secret === '7') continue;
    for (const format of FORMATS) {
      const rendered = toText(viewOf(format)(redacted));
      t.notOk(isIn(rendered), `${JSON.stringify(secret)} as ${format}`);
      t.notOk(isIn(toSplunkBody([redacted], { index: '', format })), `${JSON.stringify(secret)} to Splunk`);
    }
    const frame = toFrame(stored, redacted, { facility: 'local0', maxBytes: 8000, procId: '1' });
    t.notOk(isIn(String(frame)), `${JSON.stringify(secret)} as syslog`);
  }
});

await t.test('a name that is a word of the event changes no word of the event', async (t) => {
  for (const name of [
    'High',
    'fail',
    'Fail',
    'container',
    'New',
    'Compliance Finding',
    'container.privileged',
    'Create',
  ]) {
    const of = ocsfOf(event(1, { severity: 'high', subject: { kind: 'container', id: 'c1', name } }));
    const { resources, message, finding_info: info, evidences, ...rest } = redact('resources[].name', of);
    const { resources: _r, message: _m, finding_info: before, evidences: _e, ...expected } = of;
    t.match(resources, [{ name: 'redacted', type: 'container', uid: 'c1' }], name);
    t.strictSame(JSON.parse(JSON.stringify(rest)), JSON.parse(JSON.stringify(expected)), name);
    t.same((info as OcsfEvent)['analytic'], (before as OcsfEvent)['analytic'], name);
    t.notMatch(message, evidences === undefined ? name : `: container ${name}`);
  }
});

await t.test('a part of a longer word is another word', async (t) => {
  const of = { ...ocsfOf(event(1)), status_detail: 'web-10, xweb-1, web-1, web-1.example, WEB-1' };
  const { status_detail: detail } = redact('device.name', of);
  t.equal(detail, 'web-10, xweb-1, redacted, redacted.example, redacted');
});

/** What the replacement does, said by one regular expression. */
function replaceByExpression(text: string, values: readonly string[]): string {
  if (values.includes(text)) return '*';
  const word = String.raw`[\p{L}\p{N}]`;
  const parts = values
    .toSorted((one, other) => other.length - one.length)
    .map((value) => {
      const literal = value.replaceAll(
        /[^\p{L}\p{N}]/gu,
        (character) => `\\u{${character.charCodeAt(0).toString(16)}}`,
      );
      const starts = new RegExp(`^${word}`, 'u').test(value) ? `(?<!${word})` : '';
      return starts + literal + (new RegExp(`${word}$`, 'u').test(value) ? `(?!${word})` : '');
    });
  return text.replaceAll(new RegExp(parts.join('|'), 'giu'), '*');
}

await t.test('texts are searched as by one regular expression', (t) => {
  // Few characters, so that values overlap, touch and contain each other; K is the Kelvin sign, which folds to k.
  const piece = (...characters: readonly string[]) =>
    fc.string({ unit: fc.constantFrom(...characters), maxLength: 12 });
  for (const characters of [
    ['a', 'B', 'k', '1', '-', '.', ' '],
    ['a', 'k', '\u212a', 'ß', 'ſ', '-', ' '],
  ]) {
    const value = piece(...characters).filter((text) => text !== '');
    const check = fc.property(
      fc.uniqueArray(value, { minLength: 1, maxLength: 5 }),
      piece(...characters),
      (all, text) => {
        const lower = all.map((one) => one.toLowerCase());
        const replace = createReplaceValues(new Map(lower.map((one) => [one, '*'])), '?');
        t.equal(replace(text), replaceByExpression(text, lower), JSON.stringify([all, text]));
      },
    );
    fc.assert(check, { numRuns: 500 });
  }
  t.end();
});

await t.test('attack: values that match at every place of a text cost little', (t) => {
  const values = Array.from({ length: 200 }, (_, index) => '-'.repeat(1 + index));
  const absent = Array.from({ length: 250 }, (_, index) => `${'-'.repeat(100)}${String(index)}`);
  const replace = createReplaceValues(new Map([...values, ...absent].map((value) => [value, '*'])), '?');
  const before = cpuMs();
  t.equal(replace('-'.repeat(60_000)), '*'.repeat(300));
  t.equal(replace('-!'.repeat(30_000)), '*!'.repeat(30_000));
  // It takes less than 100 ms.
  t.ok(cpuMs() - before < 5000, `${String(cpuMs() - before)} ms`);
  t.end();
});

await t.test('a hash is the HMAC of openssl, everywhere the same, and another one with another key', async (t) => {
  const { device, message } = redact('device.name=hash', ocsfOf(event(1))) as { device: OcsfEvent; message: string };
  const digest = execFileSync('openssl', ['dgst', '-sha256', '-hmac', KEY, '-r'], { input: 'web-1' });
  const expected = `hmac-${digest.toString().slice(0, 32)}`;
  t.match(device, { name: expected, hostname: expected, uid: 'n1' });
  t.match(message, expected);
  // Where two rules concern one value, the stricter one counts.
  t.match(redact('device.name=hash, device.hostname', ocsfOf(event(1))), { device: { name: 'redacted' } });
});

await t.test('what cannot be searched for is redacted everywhere', async (t) => {
  const evidence = Array.from({ length: 600 }, (_, index) => ({
    source: `s${String(index)}`,
    seen: 'kept?',
    expected: '',
  }));
  const redacted = redact('evidences[].name', ocsfOf(event(1, { evidence })));
  t.match(redacted, { message: 'redacted', device: { name: 'redacted' }, severity: 'Critical', class_uid: 2003 });
  t.notMatch(JSON.stringify(redacted), /kept\?|web-1/);
  let deep: unknown = 'web-1';
  for (let level = 0; level < 200; level += 1) deep = { deep };
  t.notMatch(JSON.stringify(redact('device.name', { ...ocsfOf(event(1)), unmapped: deep })), 'web-1');
  // Keys that become the same keep their values.
  const twice = redact('device.name', { device: { name: 'a' }, unmapped: { a: 1, A: 2 } });
  t.strictSame({ ...(twice['unmapped'] as object) }, { redacted: 1, 'redacted-2': 2 });
});

const OCSF = join(ROOT, '..', 'shared', 'ocsf', 'required.json');
const skip = existsSync(OCSF) ? false : 'the facts of the OCSF schema are absent';

await t.test('whatever is redacted, an event stays valid', { skip }, async (t) => {
  const validate = readValidator(OCSF);
  const address = SAMPLES.find((sample) => sample['src_endpoint'] !== undefined) ?? {};
  t.match(redact('src_endpoint.ip=hash', address), { src_endpoint: { ip: undefined, name: /^hmac-/ } });
  for (const sample of [...SAMPLES, ocsfOf(event(1))]) {
    const before = validate(sample);
    for (const [path] of PATHS)
      for (const action of ['replace', 'hash', 'remove'] as const) {
        const text = `${path}=${action}`;
        if (problemOf(text) !== '') continue;
        const problems = validate(redact(text, sample)).filter((problem) => !before.includes(problem));
        if (problems.length > 0) t.strictSame(problems, [], `${text} of ${String(sample['class_name'])}`);
      }
    const all = PATHS.map(([path]) => path).filter((path) => problemOf(path) === '');
    const half = all.filter((_, index) => index % 2 === 0);
    t.strictSame(
      validate(redact(half.join(','), sample)).filter((problem) => !before.includes(problem)),
      [],
    );
  }
});

await t.test('what OCSF requires cannot be removed', { skip }, async (t) => {
  type Shape = {
    readonly class_uid?: number;
    readonly attrs: Readonly<Record<string, readonly [string, string]>>;
    readonly constraints?: Readonly<Record<string, readonly string[]>>;
  };
  const schema = JSON.parse(readFileSync(OCSF, 'utf8')) as Record<'classes' | 'objects', Record<string, Shape>>;
  const ours = new Set(SAMPLES.map((sample) => sample['class_uid']));
  const isNeeded = (shape: Shape, name: string): boolean =>
    shape.attrs[name]?.[0] === 'R' ||
    Object.values(shape.constraints ?? {}).some((list) => list.some((one) => one.split('.')[0] === name));
  const check = (type: CelType, shapes: readonly Shape[], path: string): void => {
    if (type.kind === 'list') return check(type.item, shapes, `${path}[]`);
    if (type.kind !== 'object') return undefined;
    for (const [name, inner] of type.fields) {
      const at = path === '' ? name : `${path}.${name}`;
      const having = shapes.filter(({ attrs }) => attrs[name] !== undefined);
      if (having.some((shape) => isNeeded(shape, name))) t.not(problemOf(`${at}=remove`), '', at);
      check(
        inner,
        having.flatMap(({ attrs }) => schema.objects[attrs[name]?.[1].replace(/^\$|\[\]$/g, '') ?? ''] ?? []),
        at,
      );
    }
    return undefined;
  };
  check(
    eventType(),
    Object.values(schema.classes).filter(({ class_uid: uid }) => ours.has(uid)),
    '',
  );
  t.notOk(isVocabulary('message'));
});
