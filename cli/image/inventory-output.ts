import { safe } from '../../api/safe.ts';
import { INVENTORY_VERSION } from '../../image/inventory/image-scan.ts';
import type { ImageScanOutcome } from '../../image/inventory/image-scan.ts';
import type { Inventory, Package } from '../../vulnerability/package.ts';
import type { Context } from '../context.ts';
import { isTable, printListing } from '../output/listing.ts';
import type { Column } from '../render/table.ts';
import { VULNERABILITY_COLUMNS, vulnerabilityRow } from '../images/vulnerability-table.ts';
import type { ImageVulnerabilities } from './image-vulnerabilities.ts';

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

/** What an image scan found. */
export interface ImageReport {
  readonly label: string;
  readonly scanned: Scanned;
  /** Absent: there is no vulnerability database. */
  readonly vulnerabilities: ImageVulnerabilities | undefined;
}

/**
 * Prints an image scan as `--output` asks. Rows are vulnerabilities where they were looked up, unless `--packages` is
 * given. Gaps of a table are on standard error: they are no rows.
 */
export async function printImage(context: Context, report: ImageReport): Promise<void> {
  const { label, scanned, vulnerabilities } = report;
  const { packages, gaps } = scanned.inventory;
  const format = context.args.value('output');
  if (format === 'cyclonedx' || format === 'spdx') return printSbom(context, format, report);
  if (isTable(context)) await context.stdout.write(`${headOf(label, scanned)}\n\n`);
  const document = documentOf(report);
  if (vulnerabilities === undefined || context.args.has('packages'))
    await printListing(context, {
      document,
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
  else
    await printListing(context, {
      document,
      items: vulnerabilities.items,
      names: vulnerabilities.items.map(({ id }) => id),
      columns: VULNERABILITY_COLUMNS,
      rows: vulnerabilities.items.map((item) => vulnerabilityRow(item, context)),
      empty: isComplete(report) ? 'No known vulnerability.' : 'No vulnerability is known, but not everything is.',
    });
  if (format === 'json') return;
  if (gaps.length > 0) await context.stderr.write(gapText(gaps));
  if (vulnerabilities !== undefined) await context.stderr.write(unknownText(vulnerabilities));
  else if (isTable(context) && !context.args.has('packages')) await context.stderr.write(NO_DATABASE);
}

/** Whether nothing is missing: everything was read, and judged by a current database where there is one. */
export function isComplete({ scanned, vulnerabilities }: ImageReport): boolean {
  const isJudged =
    vulnerabilities === undefined || (vulnerabilities.unjudged.length === 0 && vulnerabilities.problem === '');
  return scanned.inventory.gaps.length === 0 && isJudged;
}

function documentOf({ label, scanned, vulnerabilities }: ImageReport): object {
  const { inventory, imageId, of } = scanned;
  const { packages, gaps, distribution, setuid } = inventory;
  return {
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
    ...(vulnerabilities !== undefined && {
      vulnerabilities: vulnerabilities.items,
      unjudged: vulnerabilities.unjudged.map(({ package: { name, version }, reason }) => ({
        package: name,
        version,
        reason,
      })),
      databaseProblem: vulnerabilities.problem,
    }),
  };
}

async function printSbom(
  { stdout, clock, version }: Context,
  format: 'cyclonedx' | 'spdx',
  { label, scanned: { inventory, imageId }, vulnerabilities }: ImageReport,
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
    ...(vulnerabilities !== undefined && { matches: vulnerabilities.matches }),
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

const NO_DATABASE =
  'plimsoll: vulnerabilities are not known without a database; see: plimsoll vulndb --help. --packages lists packages only\n';

/** Why vulnerabilities may be missing. */
function unknownText({ problem, unjudged }: ImageVulnerabilities): string {
  const old =
    problem === '' ? '' : `plimsoll: vulnerabilities may be missing: the database is not current: ${safe(problem)}\n`;
  if (unjudged.length === 0) return old;
  const [first] = unjudged;
  const why = first === undefined ? '' : ` (${safe(first.package.name)}: ${safe(first.reason)})`;
  return `${old}plimsoll: the vulnerabilities of ${String(unjudged.length)} packages are not known${why}; see: --output json\n`;
}
