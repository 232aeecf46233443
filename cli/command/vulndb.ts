import { resolve } from 'node:path';
import { dateTime } from '../../api/format.ts';
import { safe } from '../../api/safe.ts';
import type { BuildProgress } from '../../image/vulndb/build.ts';
import { formatBytes } from '../../service/bytes.ts';
import { parseDuration } from '../../service/duration.ts';
import { defineCommand, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { isTable, printDocument } from '../output/listing.ts';
import { printError } from '../print-error.ts';
import { createProgressLine } from '../progress-line.ts';
import { renderTable } from '../render/table.ts';

const SEE = 'see: plimsoll vulndb --help';
const NO_SOURCE = 'there is no public source: build a database from OSV exports with plimsoll vulndb build --from DIR';
/** More than this share of damaged records is an issue; OSV exports always hold a few. */
const MAX_DAMAGED_SHARE = 0.01;
/** The database is missing, cannot be read, or is too old. */
const EXIT_NOT_USABLE = 3;
const EXIT_DAMAGED = 1;
/** Largest file that an update transfers. */
const MAX_TRANSFER_BYTES = 4 * 1024 ** 3;

export const vulndb = defineCommand({
  name: 'vulndb',
  summary: 'build, update or examine the vulnerability database',
  usage: [
    'vulndb build --from DIR… [--output FILE]',
    'vulndb update [--from SOURCE] [options]',
    'vulndb status [options]',
  ],
  description: [
    'build compiles exports of OSV (zip, NDJSON or JSON files), the KEV catalogue of CISA (JSON), EPSS and CVSS scores (CSV) and ends of life (CSV of distro-info-data) into one SQLite file. Records that are damaged are counted, named and left out; exit status 1 says that more than 1 % are, with --strict that any is. A file that is truncated stops the build. The same input and the same SOURCE_DATE_EPOCH give the same file, byte for byte. Its checksum is written beside it, as FILE.sha256.',
    'update brings a database from an https:// URL, an oci:// reference or a file into place, decompressed if it is gzip or zstd. It demands the right checksum (--sha256, or SOURCE.sha256), with --vulndb-key a signature (SOURCE.sig), and a database without damage. One that is older than the database in place is refused. After any failure the old database stays. Proxies are taken from HTTPS_PROXY and NO_PROXY.',
    'status prints when the database was built and what it holds. Exit status 3: it is missing, damaged, or older than --vulndb-max-age.',
  ],
  operands: { min: 1, max: 256, completes: 'vulndbAction' },
  options: [
    {
      name: 'from',
      value: 'SOURCE',
      repeated: true,
      completes: 'directory',
      summary: 'build: files and directories to read; update: where the database comes from (default: --vulndb-source)',
    },
    {
      name: 'output',
      short: 'o',
      value: 'FILE|FORMAT',
      summary: 'build: the file to write (default: --vulndb); status: table, json or jsonpath=TEMPLATE',
    },
    { name: 'strict', summary: 'build: any damaged record sets exit status 1' },
    { name: 'sha256', value: 'HEX', summary: 'update: the checksum of the file as it is transferred' },
    { name: 'allow-older', summary: 'update: accept a database that was built before the one in place' },
    { name: 'max-age', value: 'DURATION', summary: 'status: in place of --vulndb-max-age' },
  ],
  settings: ['image'],
  examples: [
    { line: 'plimsoll vulndb build --from ./osv ./feeds --output vulndb.sqlite', meaning: 'from exports and feeds' },
    { line: 'plimsoll vulndb update --from https://mirror.example.net/vulndb.sqlite.gz', meaning: 'from a mirror' },
    { line: 'plimsoll vulndb update --from ./vulndb.sqlite.gz', meaning: 'without a network' },
    { line: 'plimsoll vulndb status', meaning: 'age and contents' },
  ],
  issue: 'build: more than 1 % of the records are damaged, with --strict any',
  run: async (context) => {
    const [action, ...others] = context.args.operands;
    const misuse = misuseOf(action, others, context);
    if (misuse !== undefined) return printError(context, misuse, SEE);
    switch (action ?? '') {
      case 'build':
        return buildCommand(context, [...context.args.values('from'), ...others]);
      case 'update':
        return updateCommand(context);
      case 'status':
        return statusCommand(context);
      default:
        return printError(context, `vulndb does not know ${JSON.stringify(action)}`, SEE);
    }
  },
});

/** Options that belong to one action. */
const OWNERS: Readonly<Record<string, string>> = {
  strict: 'build',
  sha256: 'update',
  'allow-older': 'update',
  'max-age': 'status',
};

function misuseOf(action: string | undefined, others: readonly string[], { args }: Context): string | undefined {
  const foreign = Object.entries(OWNERS).find(([option, owner]) => args.has(option) && owner !== action);
  if (foreign !== undefined) return `--${foreign[0]} is for: plimsoll vulndb ${foreign[1]}`;
  if (action === 'build') return undefined;
  if (others.length > 0) return `vulndb ${action ?? ''} does not take ${JSON.stringify(others[0])}`;
  const output = args.value('output') ?? 'table';
  return ['table', 'json'].includes(output) || output.startsWith('jsonpath=')
    ? undefined
    : `--output: ${JSON.stringify(output)} is not one of: table, json, jsonpath=`;
}

async function buildCommand(context: Context, from: readonly string[]): Promise<number> {
  const { args, settings, stdout, workingDirectory, environment, clock } = context;
  if (from.length === 0) return printError(context, 'build needs --from', SEE);
  const builtAt = buildTime(environment['SOURCE_DATE_EPOCH'], clock.now());
  if (builtAt === undefined) return printError(context, 'SOURCE_DATE_EPOCH is not a number of seconds', SEE);
  const { buildDatabase } = await import('../../image/vulndb/build.ts');
  const given = args.value('output');
  const output = given === undefined ? settings.vulndb : resolve(workingDirectory, given);
  const progress = createProgressLine(context, describeBuild);
  const built = await buildDatabase({
    from: from.map((path) => resolve(workingDirectory, path)),
    output,
    builtAt,
    makesDirectory: given === undefined,
    signal: context.listenForShutdown(),
    onProgress: progress.show,
  });
  await progress.clear();
  if (!built.ok) return printError(context, built.problem);
  const { summary, sha256, bytes } = built;
  const { records, damaged, damagedExamples, ignored } = summary;
  for (const { origin, place } of damagedExamples.slice(0, 10))
    await printError(context, `warning: left out: ${safe(origin)}: ${safe(place)}`);
  if (damaged > 10) await printError(context, `warning: ${String(damaged)} damaged records or parts were left out`);
  for (const path of ignored.slice(0, 10)) await printError(context, `warning: not read: ${safe(path)}`);
  if (ignored.length > 10) await printError(context, `warning: ${String(ignored.length)} files were not read`);
  await stdout.write(
    [
      `${safe(output)}: ${formatBytes(bytes)}, ${String(summary.advisories)} advisories, ${String(summary.entries)} ranges of versions`,
      `read ${String(records)} records of ${String(summary.files)} files: ${String(summary.withdrawn)} withdrawn, ${String(summary.duplicates)} duplicates, ${String(summary.unusable)} of other ecosystems or without versions, ${String(damaged)} damaged`,
      `${String(summary.kevEntries)} in KEV, ${String(summary.epssScores)} EPSS scores, ${String(summary.cvssScores)} CVSS scores`,
      `sha256 ${sha256}`,
      '',
    ].join('\n'),
  );
  const isTooMuch = damaged > records * MAX_DAMAGED_SHARE || (args.has('strict') && damaged > 0);
  return isTooMuch ? EXIT_DAMAGED : EXIT_OK;
}

/** Milliseconds since the epoch: SOURCE_DATE_EPOCH (https://reproducible-builds.org), else now. */
function buildTime(epoch: string | undefined, now: number): number | undefined {
  if (epoch === undefined || epoch === '') return now;
  return /^[1-9]\d{0,10}$/.test(epoch) ? Number(epoch) * 1000 : undefined;
}

async function updateCommand(context: Context): Promise<number> {
  const { args, settings, stdout, workingDirectory, environment, home, clock } = context;
  const sources = args.values('from');
  const from = sources[0] ?? settings.vulndbSource;
  if (sources.length > 1) return printError(context, 'update takes one --from', SEE);
  if (from === 'off') return printError(context, 'update needs --from or the setting vulndb-source', NO_SOURCE);
  const sha256 = args.value('sha256')?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256))
    return printError(context, '--sha256 takes 64 hexadecimal digits', SEE);
  const [{ updateDatabase }, { openUpdateSource }, { loadDockerConfig }, { readFile }] = await Promise.all([
    import('../../image/vulndb/update.ts'),
    import('../../image/vulndb/update-source.ts'),
    import('../../image/registry/credentials.ts'),
    import('node:fs/promises'),
  ]);
  const readText = async (path: string, none: string): Promise<string | undefined> =>
    path === none ? undefined : readFile(path, 'utf8');
  let publicKey: string | undefined;
  let ca: string | undefined;
  try {
    publicKey = await readText(settings.vulndbKey, 'none');
    ca = await readText(settings.vulndbCa, 'system');
  } catch (error) {
    const { code = '', path = '' } = error as NodeJS.ErrnoException;
    return printError(context, `${safe(path)} cannot be read: ${code}`);
  }
  const docker = await loadDockerConfig(resolve(environment['DOCKER_CONFIG'] ?? `${home}/.docker`, 'config.json'));
  if (!docker.ok) return printError(context, docker.reason);
  const signal = context.listenForShutdown();
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(from);
  const opened = openUpdateSource(isUrl ? from : resolve(workingDirectory, from), {
    ca,
    environment,
    credentials: docker.credentials,
    signal,
    maxBytes: MAX_TRANSFER_BYTES,
  });
  if (!opened.ok) return printError(context, opened.problem, SEE);
  const progress = createProgressLine(context, (bytes: number) => `${formatBytes(bytes)} received`);
  const updated = await updateDatabase({
    source: opened.source,
    output: settings.vulndb,
    sha256,
    publicKey,
    allowOlder: args.has('allow-older'),
    maxBytes: MAX_TRANSFER_BYTES,
    now: clock.now(),
    onProgress: progress.show,
  });
  await progress.clear();
  if (!updated.ok) return printError(context, updated.problem, 'The old database stays in place.');
  const { info, isSigned } = updated;
  await stdout.write(
    `${safe(settings.vulndb)}: built ${dateTime(info.builtAt)}, ${String(info.advisories)} advisories, ${isSigned ? 'signature and checksum verified' : 'checksum verified'}\n`,
  );
  return EXIT_OK;
}

async function statusCommand(context: Context): Promise<number> {
  const { args, settings, clock, stdout } = context;
  const maxAgeMs = args.has('max-age') ? parseDuration(args.value('max-age') ?? '') : settings.vulndbMaxAge;
  if (maxAgeMs === undefined) return printError(context, '--max-age is not a duration such as 48h or 5d', SEE);
  const { openVulnerabilityDatabase } = await import('../../image/vulndb/database.ts');
  const opened = openVulnerabilityDatabase(settings.vulndb);
  if (!opened.ok) {
    await printError(context, opened.problem, 'build or update it: plimsoll vulndb --help');
    return EXIT_NOT_USABLE;
  }
  const { database } = opened;
  const { info } = database;
  const ecosystems = database.ecosystems();
  database.close();
  const ageMs = Math.max(0, clock.now() - info.builtAt);
  const isTooOld = ageMs > maxAgeMs;
  if (isTable(context)) {
    const date = (at: number | undefined): string => (at === undefined ? 'none' : dateTime(at));
    const lines = [
      `file             ${safe(settings.vulndb)}`,
      `built            ${dateTime(info.builtAt)}, ${daysAndHours(ageMs)} ago${isTooOld ? ' (too old)' : ''}`,
      `newest advisory  ${date(info.newestAdvisoryAt)}`,
      `advisories       ${String(info.advisories)} about ${String(info.packages)} packages`,
      `KEV              ${String(info.kevEntries)} entries${info.kevAt === undefined ? '' : `, catalogue of ${date(info.kevAt)}`}`,
      `EPSS             ${String(info.epssScores)} scores${info.epssAt === undefined ? '' : `, of ${date(info.epssAt)}`}`,
      `damaged          ${String(info.damaged)} records or parts were left out`,
      '',
      ...renderTable(
        [{ title: 'ECOSYSTEM' }, { title: 'ADVISORIES' }, { title: 'RANGES' }],
        ecosystems.map(({ name, advisories, entries }) => [
          { text: name },
          { text: String(advisories) },
          { text: String(entries) },
        ]),
        context.tableWidth,
      ),
    ];
    await stdout.write(`${lines.join('\n')}\n`);
  } else await printDocument(context, { file: settings.vulndb, ...info, ageMs, maxAgeMs, isTooOld, ecosystems });
  if (!isTooOld) return EXIT_OK;
  await printError(
    context,
    `the vulnerability database is older than ${daysAndHours(maxAgeMs)}`,
    'build it anew, plimsoll vulndb build --from DIR, or get one, plimsoll vulndb update --from SOURCE',
  );
  return EXIT_NOT_USABLE;
}

function daysAndHours(milliseconds: number): string {
  const hours = Math.floor(milliseconds / 3_600_000);
  return hours < 48 ? `${String(hours)} h` : `${String(Math.floor(hours / 24))} days`;
}

function describeBuild({ step, files, filesDone, records }: BuildProgress): string {
  switch (step) {
    case 'read':
      return `reading file ${String(filesDone + 1)} of ${String(files)}, ${String(records)} records`;
    case 'write':
      return `writing ${String(records)} advisories`;
    case 'compact':
      return 'compacting';
  }
}
