import t from 'tap';
import { listKnownImages, tagsOf } from '../../../collector/policy/known-images.ts';
import { NO_REGISTRIES } from '../../../collector/policy/registry-facts.ts';
import type { ScannedImage } from '../../../collector/policy/image-scans.ts';
import type { StoredClaim } from '../../../collector/store/image-store.ts';
import { unreadable } from '../../../posture/observed.ts';
import { parseReference } from '../../../policy/reference.ts';

const [CONFIG, MANIFEST, INDEX] = ['a', 'b', 'c'].map((digit) => `sha256:${digit.repeat(64)}`) as [
  string,
  string,
  string,
];
const NOTHING = unreadable('test', 'nothing');

function scanOf(text: string, digest: string, atMs: number): ScannedImage {
  const parsed = parseReference(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  const image = { id: CONFIG, manifest: MANIFEST };
  const rest = { packages: NOTHING, configuration: NOTHING, signatures: NOTHING };
  return { reference: parsed.value, digest, image, atMs, revision: String(atMs), ...rest };
}

void t.test('the tags of a snapshot', (t) => {
  const running = [{ reference: 'registry.example.com/shop/db:1', digest: CONFIG, checkedAt: 100 }];
  const named = (scanned: readonly ScannedImage[]) =>
    tagsOf(running, scanned, 50).map(({ reference, digest, checkedAt }) => [reference, digest, checkedAt]);
  const db = ['registry.example.com/shop/db:1', CONFIG, 100];
  t.strictSame(named([scanOf('registry.example.com/shop/db:1', INDEX, 90)]), [db], 'the registry was asked since');
  t.strictSame(
    named([scanOf('Registry.example.com:443/shop/db:1', INDEX, 110)]),
    [['registry.example.com/shop/db:1', INDEX, 110]],
    'it was scanned since',
  );
  t.strictSame(
    named([scanOf('alpine', INDEX, 60), scanOf('registry.example.com/shop/web:1', INDEX, 49)]),
    [db, ['docker.io/library/alpine:latest', INDEX, 60]],
    'a tag that only a scan has asked about, and one that was scanned too long ago',
  );
  t.strictSame(
    named([scanOf(`registry.example.com/shop/web:1@${INDEX}`, INDEX, 60)]),
    [db],
    'a digest says nothing of a tag',
  );
  t.end();
});

void t.test('an image is one, whatever nodes call it', (t) => {
  const claim = (imageId: string, source: 'layers' | 'container'): StoredClaim => {
    return { imageId, source, problem: '', nodeId: 'n', nodeName: 'n', isStored: true, inUse: true, changedMs: 0 };
  };
  const list = (
    claims: readonly StoredClaim[],
    scanned: readonly ScannedImage[],
    stored = false,
    imageIdOf: (manifest: string) => string | undefined = () => undefined,
  ) =>
    listKnownImages({
      ids: claims.map(({ imageId }) => imageId),
      claims: Map.groupBy(claims, ({ imageId }) => imageId),
      registries: { ...NO_REGISTRIES, imageIdOf },
      scanned,
      stored: stored ? [{ id: CONFIG, manifest: MANIFEST, inventory: 'i', atMs: 1 }] : [],
    }).map(({ id, names, scan, manifests }) => [id, names, scan !== undefined, manifests.map(({ digest }) => digest)]);
  const both = [claim(CONFIG, 'layers'), claim(MANIFEST, 'container')];
  t.equal(list(both, []).length, 2, 'nobody has proved that they are the same');
  t.strictSame(list(both, [], true), [[CONFIG, [CONFIG, MANIFEST], true, [CONFIG, MANIFEST]]], 'a scan has');
  const proved = (manifest: string) => (manifest === MANIFEST ? CONFIG : undefined);
  t.strictSame(
    list(both, [], false, proved),
    [[CONFIG, [CONFIG, MANIFEST], false, [CONFIG, MANIFEST]]],
    'a registry has',
  );
  const scanned = [scanOf('registry.example.com/shop/db:1', INDEX, 1)];
  t.strictSame(
    list([claim(INDEX, 'container')], scanned, true),
    [[CONFIG, [INDEX], true, [CONFIG, INDEX]]],
    'a container adds nothing to an index that was scanned',
  );
  t.strictSame(
    list([claim(INDEX, 'layers')], scanned, true).map(([id]) => id),
    [INDEX, CONFIG],
    'the layers of a node can be those of another platform: both count',
  );
  t.end();
});
