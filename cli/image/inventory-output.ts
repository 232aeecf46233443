import { safe } from '../../api/safe.ts';
import type { ImageScanOutcome } from '../../image/inventory/image-scan.ts';
import { INVENTORY_VERSION } from '../../image/inventory/inventory-version.ts';
import type { Inventory, Package } from '../../vulnerability/package.ts';
import type { Context } from '../context.ts';
import { isTable, printListing } from '../output/listing.ts';
import type { Column } from '../render/table.ts';

type Scanned = Extract<ImageScanOutcome, { ok: true }>;

const COLUMNS: readonly Column[] = [
  { title: 'TYPE' },
  { title: 'PACKAGE' },
  { title: 'VERSION' },
  { title: 'SOURCE', wide: true },
  { title: 'ARCHITECTURE', wide: true },
  { title: 'PATH', wide: true },
];
/** Gaps that a table prints; all are in the other formats. */
const MAX_GAPS = 20;

/** Prints an inventory as `--output` asks. Gaps of a table are on standard error: they are no rows. */
export async function printInventory(context: Context, label: string, scanned: Scanned): Promise<void> {
  const { inventory, imageId, of } = scanned;
  const { packages, gaps, distribution, setuid } = inventory;
  const format = context.args.value('output');
  if (format === 'cyclonedx' || format === 'spdx') return printSbom(context, format, { label, scanned });
  if (isTable(context)) await context.stdout.write(`${headOf(label, scanned)}\n\n`);
  await printListing(context, {
    document: {
      inventoryVersion: INVENTORY_VERSION,
      target: label,
      of,
      ...(imageId !== undefined && { imageId }),
      ...(distribution !== undefined && { distribution }),
      complete: gaps.length === 0,
      packages,
      gaps,
      ...(setuid !== undefined && {
        setuid: {
          files: setuid.files.map(({ path, mode }) => ({ path, mode: mode.toString(8).padStart(4, '0') })),
          gaps: setuid.gaps,
        },
      }),
    },
    items: packages,
    names: packages.map(({ name }) => name),
    columns: COLUMNS,
    rows: packages.map((each) => [
      { text: each.type },
      { text: safe(each.name) },
      { text: safe(each.version) },
      { text: sourceText(each) },
      { text: safe(each.architecture ?? '') },
      { text: safe(each.path) },
    ]),
    empty: 'No packages.',
  });
  if (gaps.length > 0 && context.args.value('output') !== 'json') await context.stderr.write(gapText(gaps));
}

async function printSbom(
  { stdout, clock, version }: Context,
  format: 'cyclonedx' | 'spdx',
  { label, scanned: { inventory, imageId } }: { readonly label: string; readonly scanned: Scanned },
): Promise<void> {
  const [{ writeCycloneDx }, { writeSpdx }] = await Promise.all([
    import('../../image/sbom/write-cyclonedx.ts'),
    import('../../image/sbom/write-spdx.ts'),
  ]);
  const document = {
    subject: { name: label, ...(imageId !== undefined && { digest: imageId }) },
    inventory,
    createdAt: clock.now(),
    toolVersion: version,
  };
  await stdout.write(format === 'spdx' ? writeSpdx(document) : writeCycloneDx(document));
}

function headOf(label: string, { inventory, imageId, of, durationMs }: Scanned): string {
  const { distribution, packages, setuid } = inventory;
  const system =
    distribution === undefined ? 'no distribution' : `${distribution.id} ${distribution.versionId ?? ''}`.trim();
  const id = imageId === undefined ? '' : ` (${safe(imageId.slice(0, 19))})`;
  return `${of} ${safe(label)}${id}: ${safe(system)}, ${String(packages.length)} packages${setuidText(setuid)}, ${String(Math.round(durationMs))} ms`;
}

function setuidText(setuid: Inventory['setuid']): string {
  if (setuid === undefined) return '';
  const { files, gaps } = setuid;
  return `, ${gaps.length > 0 ? 'at least ' : ''}${String(files.length)} setuid or setgid files`;
}

function sourceText({ source }: Package): string {
  return source === undefined ? '' : safe(`${source.name} ${source.version}`);
}

function gapText(gaps: Inventory['gaps']): string {
  const lines = gaps.slice(0, MAX_GAPS).map(({ path, reason }) => `  ${safe(path)}: ${safe(reason)}`);
  if (gaps.length > MAX_GAPS) lines.push(`  and ${String(gaps.length - MAX_GAPS)} more; see: --output json`);
  return `\nNot everything could be read, so packages may be missing:\n${lines.join('\n')}\n`;
}
