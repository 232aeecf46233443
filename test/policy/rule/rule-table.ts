import t from 'tap';
import { decide } from '../../../policy/decide.ts';
import type { ImageEvidence } from '../../../policy/evidence.ts';
import { DIGEST, evidence, NOW, policy } from '../../fixture/image-evidence.ts';

/** A rule, evidence that differs from that of a good image, and the reasons of the decision. */
interface Row {
  readonly rule: object;
  readonly evidence?: Partial<ImageEvidence>;
  readonly reference?: string | undefined;
  readonly accept?: object;
  /** Codes of violations, and of what could not be told with a question mark before it. */
  readonly codes: readonly string[];
}

/** The image that is judged where a row names no other. */
const REFERENCE = 'registry.example.com/shop/db:16';

function codesOf(row: Row): readonly string[] {
  const { reasons } = decide(
    { reference: 'reference' in row ? row.reference : REFERENCE, digest: DIGEST, namespace: undefined },
    evidence(row.evidence),
    [policy([row.rule], row.accept === undefined ? {} : { accept: row.accept })],
    NOW,
  );
  for (const { actual, expected, action } of reasons) for (const text of [actual, expected, action]) t.not(text, '');
  return reasons.map(({ kind, code }) => (kind === 'unknown' ? `?${code}` : code)).sort();
}

/** One test of these rows. */
export function table(name: string, rows: Readonly<Record<string, Row>>): void {
  void t.test(name, (t) => {
    for (const [title, row] of Object.entries(rows)) t.strictSame(codesOf(row), row.codes, title);
    t.end();
  });
}
