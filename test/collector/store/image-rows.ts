import type { Package } from '../../../vulnerability/package.ts';
import type { Vulnerability } from '../../../vulnerability/vulnerability.ts';
import type { DescribeUse, ImageClaim, ImageUseSummary, Judgement } from '../../../collector/store/image-store.ts';
import type { Store } from '../../../collector/store/store.ts';
import { T0 } from './fleet.ts';

export const digestOf = (letter: string): string => letter.repeat(64);
export const layers = (imageId: string, letter?: string): ImageClaim => ({
  imageId,
  ...(letter !== undefined && { digest: digestOf(letter) }),
  source: 'layers',
  problem: '',
});
export const DEBIAN = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };
export const deb = (name: string, version = '1'): Package => ({
  type: 'deb',
  name,
  version,
  path: '/var/lib/dpkg/status',
});
export const whole = { isWhole: true, atMs: T0 };
export const inventory = (...packages: readonly Package[]) => ({ distribution: DEBIAN, packages, gaps: [] });
export const content = (text: string): Uint8Array => Buffer.from(text);
export const vulnerability = (id: string, over: Partial<Vulnerability> = {}): Vulnerability => ({
  id,
  advisory: `DEBIAN-${id}`,
  aliases: [],
  severity: 'high',
  risk: 40,
  ...over,
});
export const NO_USE: ImageUseSummary = { images: [], imageCount: 0, containers: [], containerCount: 0, nodeCount: 0 };
export const terms: { readonly atMs: number; readonly describeUse: DescribeUse } = {
  atMs: T0,
  describeUse: () => NO_USE,
};

/** Judges every package: `matches` by name of the package. */
export async function judge(
  store: Store,
  database: string,
  matches: Readonly<Record<string, Judgement['matches']>>,
  over: Partial<typeof terms> = {},
): Promise<number> {
  const packages = await store.images.unjudged(database, 10_000);
  const judgements = packages.map(({ key, package: { name } }) => ({ key, matches: matches[name] ?? [] }));
  const { newest, stored } = await store.images.putJudgements(database, judgements, { ...terms, ...over });
  if (stored !== packages.length) throw new Error('judgements without a limit are stored completely');
  return newest;
}
