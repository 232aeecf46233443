import t from 'tap';
import { choosePlatform } from '../../../image/registry/manifest.ts';
import type { ImageIndex, Platform } from '../../../image/registry/manifest.ts';

const platforms: readonly Platform[] = [
  { os: 'unknown', architecture: 'unknown' },
  { os: 'windows', architecture: 'amd64' },
  { os: 'linux', architecture: 'amd64', variant: '' },
  { os: 'linux', architecture: 'arm', variant: 'v6' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
  { os: 'linux', architecture: 'arm64', variant: 'v8' },
  { os: 'linux', architecture: 'amd64' },
];

await t.test('the entry of an index for a platform', (t) => {
  const index: ImageIndex = {
    kind: 'index',
    digest: '',
    mediaType: '',
    annotations: {},
    manifests: platforms.map((platform, at) => ({
      mediaType: '',
      digest: String(at),
      sizeBytes: 1,
      annotations: {},
      artifactType: '',
      platform,
    })),
  };
  for (const [os, architecture, variant, expected] of [
    ['linux', 'amd64', undefined, '2'],
    ['linux', 'x86_64', undefined, '2'],
    ['linux', 'arm64', undefined, '5'],
    ['linux', 'aarch64', 'v8', '5'],
    ['linux', 'arm', undefined, '4'],
    ['linux', 'arm', 'v6', '3'],
    ['windows', 'amd64', undefined, '1'],
    ['linux', 'riscv64', undefined, undefined],
    ['linux', 'amd64', 'v3', undefined],
  ] as const) {
    const chosen = choosePlatform(index, { os, architecture, ...(variant === undefined ? {} : { variant }) });
    t.equal(chosen?.digest, expected, `${os}/${architecture}/${variant ?? ''}`);
  }
  t.end();
});
