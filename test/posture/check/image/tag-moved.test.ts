import t from 'tap';
import { tagMoved } from '../../../../posture/check/image/tag-moved.ts';
import type { ImageTag } from '../../../../posture/fact/image-tags.ts';
import { judgeAll, judgeImageTags } from '../../../../posture/judge.ts';
import { factsOf } from '../../../fixture/facts.ts';

const reference = 'registry.example.com/shop/db:16';
const digest = `sha256:${'d'.repeat(64)}`;
const imageId = `sha256:${'1'.repeat(64)}`;
const silent: ImageTag = { reference: 'registry.example.com/other:1', state: 'unknown', reason: 'ECONNREFUSED' };

void t.test('what a tag names now', async (t) => {
  const cases: readonly (readonly [string, readonly ImageTag[], object])[] = [
    ['the image', [{ reference, state: 'same' }], { verdict: 'pass', evidence: [{ seen: 'the image that runs' }] }],
    [
      'another image',
      [{ reference, state: 'moved', digest }],
      {
        verdict: 'fail',
        reason: `${reference} names another image now`,
        evidence: [{ source: `registry, ${reference}`, seen: new RegExp(digest), expected: new RegExp(imageId) }],
      },
    ],
    ['nothing', [{ reference, state: 'gone' }], { verdict: 'fail', reason: /not in its registry any more/ }],
    [
      'something else all the time',
      [{ reference, state: 'unstable' }],
      { verdict: 'fail', reason: /changes more often/ },
    ],
    ['no answer', [silent], { verdict: 'unknown', reason: /other:1 names now is not known: ECONNREFUSED/ }],
    ['no answer for one of two', [{ reference, state: 'same' }, silent], { verdict: 'unknown' }],
    ['one moved, no answer for the other', [silent, { reference, state: 'gone' }], { verdict: 'fail' }],
    [
      'two moved',
      [
        { reference, state: 'moved', digest },
        { reference: `${reference}-alpine`, state: 'gone' },
      ],
      { verdict: 'fail', reason: /and 1 more tags/, evidence: [{}, { seen: 'no image' }] },
    ],
  ];
  for (const [name, tags, expected] of cases) {
    const finding = judgeImageTags(tagMoved, { imageId, name: reference, tags });
    for (const { seen } of finding.evidence) t.notOk(finding.reason?.includes(seen), `${name}: the evidence says more`);
    t.match(
      finding,
      { ...expected, severity: 'medium', subject: { kind: 'image', id: imageId, name: reference } },
      name,
    );
  }
  const many = Array.from({ length: 500 }, (): ImageTag => ({ reference, state: 'gone' }));
  t.equal(judgeImageTags(tagMoved, { imageId, name: '', tags: many }).evidence.length, 8, 'bounded evidence');
});

void t.test('agents have no finding of it', async (t) => {
  t.equal(judgeAll([tagMoved], factsOf({})).size, 0);
});
