import fc from 'fast-check';
import t from 'tap';
import { addToDigest, digestOf, EMPTY_DIGEST, findingHash, hashOfContent } from '../../posture/digest.ts';
import { findingContent } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';

/** The algorithm as `posture/digest.ts` documents it, in whole numbers of any size instead of 32-bit operators. */
function documentedHash(text: string): bigint {
  const word = (value: bigint): bigint => value % 2n ** 32n;
  let low = 0x9e3779b9n ^ BigInt(text.length);
  let high = 0x85ebca6bn ^ BigInt(text.length);
  for (const unit of Array.from({ length: text.length }, (_, index) => BigInt(text.charCodeAt(index)))) {
    low = word((low ^ unit) * 0x9e3779b1n);
    high = word((high ^ unit) * 0x5f356495n);
  }
  const first = word((low ^ (low >> 16n)) * 0x85ebca6bn) ^ word((high ^ (high >> 13n)) * 0xc2b2ae35n);
  const second = word((high ^ (high >> 16n)) * 0x85ebca6bn) ^ word((first ^ (first >> 13n)) * 0xc2b2ae35n);
  return (second >> 11n) * 2n ** 32n + first;
}

const FAILED: Finding = {
  id: 'container.privileged/container/5f0c',
  check: 'container.privileged',
  title: 'Container runs privileged',
  verdict: 'fail',
  severity: 'critical',
  subject: { kind: 'container', id: '5f0c', name: 'shop-db' },
  evidence: [{ source: '/proc/4121/status', seen: 'CapEff 000001ffffffffff', expected: 'none' }],
  reason: 'Privileged: all 41 capabilities',
};
const PASSED: Finding = {
  id: 'kernel.lockdown/node/n1',
  check: 'kernel.lockdown',
  title: 'Kernel lockdown is active',
  verdict: 'pass',
  severity: 'medium',
  subject: { kind: 'node', id: 'n1', name: 'nöde 😀' },
  evidence: [{ source: '/sys/kernel/security/lockdown', seen: '[integrity]', expected: 'integrity' }],
};

// Agents and collectors of different versions compare digests: a literal that changes means a resync of every node.
// Literals: computed by a program in another language from the documented algorithm.
void t.test('literals that must never change', async (t) => {
  t.equal(
    findingContent(FAILED),
    '["container.privileged/container/5f0c","Container runs privileged","fail","critical","shop-db","/proc/4121/status","CapEff 000001ffffffffff","none","Privileged: all 41 capabilities"]',
  );
  t.equal(findingHash(FAILED), 5315029071010799);
  t.equal(findingHash(PASSED), 2001312760848807);
  t.equal(digestOf([FAILED, PASSED]), 7316341831859606);
  t.equal(hashOfContent(''), 1710847644904867);
  t.equal(EMPTY_DIGEST, 0);
});

void t.test('any text hashes as documented, and a sum wraps at 2^53', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      // As hexadecimal digits: a name with any text in it is not always a line that test runners read back.
      t.equal(BigInt(hashOfContent(text)), documentedHash(text), Buffer.from(text, 'utf16le').toString('hex'));
    }),
    { numRuns: 200 },
  );
  t.equal(addToDigest(2 ** 53 - 1, 2), 1);
});
