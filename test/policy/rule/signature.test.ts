import { seen, unreadable } from '../../../posture/observed.ts';
import type { ImageEvidence, SignatureEvidence } from '../../../policy/evidence.ts';
import { authorityId } from '../../../policy/rule/signature.ts';
import { table } from './rule-table.ts';

const broken = unreadable('somewhere', 'connection refused');
const KEY = { name: 'release', key: { file: '/keys/release.pub' } };
const OTHER = { name: 'security', key: { file: '/keys/security.pub' } };
const signature = (match: string, ...authorities: readonly object[]): object => ({
  type: 'signature',
  match,
  authorities,
});
const id = (one: { readonly name: string; readonly key: { readonly file: string } }): string =>
  authorityId({ name: one.name, key: { file: one.key.file, pem: null }, keyless: null });
const signed = (
  ...results: readonly (readonly [typeof KEY, SignatureEvidence['result']])[]
): Partial<ImageEvidence> => ({
  signatures: seen(
    results.map(([one, result]) => ({ authority: id(one), result })),
    'registry',
  ),
});
const verified = { state: 'verified', by: 'key' } as const;
const unsigned = { state: 'unsigned' } as const;
table('signature', {
  verified: { rule: signature('any', KEY), evidence: signed([KEY, verified]), codes: [] },
  'no signature at all': { rule: signature('any', KEY), codes: ['signature-missing'] },
  'by another': {
    rule: signature('any', KEY),
    evidence: signed([KEY, { state: 'other-signer', by: 'mallory' }]),
    codes: ['signature-not-trusted'],
  },
  invalid: {
    rule: signature('any', KEY),
    evidence: signed([KEY, { state: 'invalid', reason: 'digest differs' }]),
    codes: ['signature-invalid'],
  },
  'registry does not answer': {
    rule: signature('any', KEY),
    evidence: { signatures: broken },
    codes: ['?signature-unknown'],
  },
  'not asked': { rule: signature('any', KEY), evidence: signed(), codes: ['?signature-unknown'] },
  'result of a key of the same name in another place': {
    rule: signature('any', KEY),
    evidence: signed([{ name: 'release', key: { file: '/other/release.pub' } }, verified]),
    codes: ['?signature-unknown'],
  },
  'any of two': { rule: signature('any', KEY, OTHER), evidence: signed([KEY, unsigned], [OTHER, verified]), codes: [] },
  'all of two': {
    rule: signature('all', KEY, OTHER),
    evidence: signed([KEY, unsigned], [OTHER, verified]),
    codes: ['signature-missing'],
  },
  'any, and the other could have': {
    rule: signature('any', KEY, OTHER),
    evidence: signed([KEY, unsigned], [OTHER, { state: 'unknown', reason: 'timeout' }]),
    codes: ['?signature-unknown'],
  },
  'two results for one key': {
    rule: signature('any', KEY),
    evidence: signed([KEY, verified], [KEY, unsigned]),
    codes: ['signature-missing'],
  },
});
