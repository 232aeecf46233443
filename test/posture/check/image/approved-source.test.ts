import t from 'tap';
import { approvedSource } from '../../../../posture/check/image/approved-source.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { factsOf, imageFact } from '../../../fixture/facts.ts';

const AT = `@sha256:${'a'.repeat(64)}`;

/** References with their complete names from `docker pull` and from the documentation of distribution/reference. */
const rows: readonly (readonly [approved: readonly string[], digests: readonly string[], verdict: Verdict])[] = [
  [['ghcr.io/team'], [`ghcr.io/team/app${AT}`], 'pass'],
  [['ghcr.io/team'], [`ghcr.io/other/app${AT}`], 'fail'],
  [['ghcr.io/team/'], [`ghcr.io/team/app${AT}`], 'pass'],
  [['ghcr.io/team/app'], [`ghcr.io/team/app${AT}`], 'pass'],
  [['ghcr.io/team'], [`GHCR.io/team/app${AT}`], 'pass'],
  [['docker.io/library'], [`nginx${AT}`], 'pass'],
  [['docker.io/library'], [`index.docker.io/library/nginx${AT}`], 'pass'],
  [['docker.io/shop'], [`shop/db${AT}`], 'pass'],
  [['docker.io/library'], [`shop/db${AT}`], 'fail'],
  [['localhost:5000'], [`localhost:5000/app${AT}`], 'pass'],
  [['localhost'], [`localhost/app${AT}`], 'pass'],
  // A name that only begins like an approved one.
  [['ghcr.io/team'], [`ghcr.io/team-evil/app${AT}`], 'fail'],
  [['ghcr.io'], [`ghcr.io.evil.example/team/app${AT}`], 'fail'],
  [['ghcr.io'], [`ghcr.io:8443/team/app${AT}`], 'fail'],
  [['ghcr.io'], [`library/ghcr.io${AT}`], 'fail'],
  // The same image is in both places.
  [['ghcr.io'], [`docker.io/shop/app${AT}`, `ghcr.io/shop/app${AT}`], 'pass'],
  [['ghcr.io'], [], 'fail'],
  [[], [`ghcr.io/team/app${AT}`], 'manual'],
];

t.test('image.approved-source', (t) => {
  for (const [approved, digests, verdict] of rows) {
    const check = approvedSource.withParameters?.({ approved });
    const image = imageFact({ digests, tags: ['ghcr.io/team/app:1'] });
    const judgement = check?.judges === 'image' ? check.judge(image, factsOf()) : undefined;
    t.match(judgement, { verdict, evidence: [{ source: /RepoDigests/ }] }, JSON.stringify([approved, digests]));
  }
  t.match(
    approvedSource.judge(imageFact({ digests: [], tags: ['shop/db:16'] }), factsOf()).evidence,
    [{ seen: /shop\/db:16/ }],
    'what a person needs is shown',
  );
  t.end();
});
