import t from 'tap';
import { applyingPolicies } from '../../policy/decide.ts';
import { findConflicts } from '../../policy/policy-selection.ts';
import { policy } from '../fixture/image-evidence.ts';

const all = policy([], {}, 'all');
const registry = policy([], { match: { images: ['registry.example.com/**'] } }, 'registry');
const shop = policy([], { match: { images: ['registry.example.com/shop/*'] } }, 'shop');
const shopProd = policy(
  [],
  { match: { images: ['registry.example.com/shop/*'], namespaces: ['prod-*'] } },
  'shop-prod',
);
const prod = policy([], { match: { namespaces: ['prod-1'] } }, 'prod');
const policies = [all, registry, shop, shopProd, prod];

function chosen(reference: string | undefined, namespace?: string): readonly string[] {
  const subject = { reference, digest: undefined, namespace };
  const names = applyingPolicies(subject, policies).map(({ name }) => name);
  t.strictSame(
    applyingPolicies(subject, policies.toReversed()).map(({ name }) => name),
    names,
  );
  return names;
}

void t.test('the most specific decides: first by image, then by namespace', (t) => {
  t.strictSame(chosen('alpine'), ['all']);
  t.strictSame(chosen('registry.example.com/other/x'), ['registry']);
  t.strictSame(chosen('registry.example.com/shop/db'), ['shop']);
  t.strictSame(chosen('registry.example.com/shop/db', 'prod-1'), ['shop-prod']);
  t.strictSame(chosen('registry.example.com/shop/db', 'test'), ['shop']);
  t.strictSame(chosen('alpine', 'prod-1'), ['prod']);
  t.end();
});

void t.test('a spelling of the reference does not choose another policy', (t) => {
  t.strictSame(chosen('REGISTRY.Example.com/shop/db'), ['shop']);
  t.strictSame(chosen('registry.example.com:443/shop/db:1'), ['shop']);
  t.strictSame(chosen(`registry.example.com/shop/db:good@sha256:${'b'.repeat(64)}`), ['shop']);
  t.end();
});

void t.test('an image without a valid reference is for the policies of every image', (t) => {
  t.strictSame(chosen(undefined), ['all']);
  t.strictSame(chosen('not a reference'), ['all']);
  t.end();
});

void t.test('conflicts', (t) => {
  t.strictSame(findConflicts(policies), []);
  const conflict = (one: object, other: object): number =>
    findConflicts([policy([], { match: one }, 'a'), policy([], { match: other }, 'b')]).length;
  t.equal(conflict({}, {}), 1, 'both match every image');
  t.equal(conflict({ images: ['a.example/x*'] }, { images: ['a.example/*y'] }), 1, 'xy is matched by both');
  t.equal(conflict({ images: ['a.example/x*'] }, { images: ['a.example/y*'] }), 0);
  t.equal(conflict({ images: ['a.example/x'] }, { images: ['A.example/x'] }), 1);
  t.equal(conflict({ images: ['a.example/x'] }, { images: ['b.example/x'] }), 0);
  t.equal(conflict({ images: ['*.example.com/**'] }, { images: ['a.example.com/**'] }), 0, 'one is more specific');
  t.equal(conflict({ namespaces: ['a*'] }, { namespaces: ['*a'] }), 1);
  t.equal(conflict({ namespaces: ['a*'] }, { namespaces: ['b*'] }), 0);
  t.equal(findConflicts([policy([], {}, 'same'), policy([], { match: { images: ['x/y'] } }, 'same')]).length, 1);
  t.end();
});
