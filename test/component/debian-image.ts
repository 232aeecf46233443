import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { digestOf, OCI_MANIFEST } from './registry.ts';
import type { TestRegistry } from './registry.ts';

/** An image that was pushed. */
export interface PushedImage {
  /** Of the manifest. */
  readonly digest: string;
  /** Of the configuration, which runtimes call the id of the image. */
  readonly imageId: string;
}

/** What an image of Debian 12 holds. */
export interface DebianImage {
  /** Installed packages with their versions. */
  readonly packages: Readonly<Record<string, string>>;
  /** Layers beneath, as tar archives. */
  readonly layers?: readonly Buffer[];
  /** Command of its containers. */
  readonly command?: readonly string[];
  /** When it was built. */
  readonly created?: string;
}

/** Pushes an image with the package database of dpkg under a tag. */
export async function pushDebianImage(
  registry: TestRegistry,
  name: { readonly repository: string; readonly tag: string },
  { packages, layers = [], command = ['/bin/sleep', '3600'], created = '2026-11-01T00:00:00Z' }: DebianImage,
): Promise<PushedImage> {
  const status = Object.entries(packages).map(
    ([one, version]) =>
      `Package: ${one}\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\nDescription: test\n`,
  );
  const layer = tarOf({
    'etc/os-release': 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
    'var/lib/dpkg/status': status.join('\n'),
  });
  const pushed = [];
  for (const one of [...layers, layer]) pushed.push(await registry.pushBlob(name.repository, one));
  const configuration = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      created,
      config: { Cmd: command },
      rootfs: { type: 'layers', diff_ids: [...layers, layer].map(digestOf) },
    }),
  );
  const config = await registry.pushBlob(name.repository, configuration);
  const digest = await registry.pushManifest(name.repository, name.tag, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: pushed.map((one) => Object.assign(one, { mediaType: 'application/vnd.oci.image.layer.v1.tar' })),
  });
  return { digest, imageId: config.digest };
}

/** A tar archive of these files, by path. */
export function tarOf(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-layer-'));
  try {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content, { mode: 0o755 });
    }
    return execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '--mtime=@0', '-cf', '-', '.'], {
      maxBuffer: 64 * 2 ** 20,
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
