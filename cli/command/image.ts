import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { safe } from '../../api/safe.ts';
import type { ImageScanProgress, ImageTarget } from '../../image/inventory/image-scan.ts';
import { formatBytes } from '../../service/bytes.ts';
import { defineCommand, EXIT_FAILURE, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Option } from '../command.ts';
import type { Context } from '../context.ts';
import { findVulnerabilities } from '../image/image-vulnerabilities.ts';
import { isComplete, printImage } from '../image/inventory-output.ts';
import { printError } from '../print-error.ts';
import { createProgressLine, describeRun } from '../progress-line.ts';

/** Not everything is known, and `--require-complete` is given. */
const EXIT_INCOMPLETE = 3;
const DEFAULT_TIMEOUT_S = 600;

/** The formats of lists, and those of SBOMs. */
const IMAGE_OUTPUT_OPTION: Option = Object.freeze({
  ...OUTPUT_OPTION,
  choices: [...(OUTPUT_OPTION.choices ?? []), 'cyclonedx', 'spdx'],
  summary: `${OUTPUT_OPTION.summary}; cyclonedx: CycloneDX 1.6 in JSON; spdx: SPDX 2.3 in JSON`,
});

export const image = defineCommand({
  name: 'image',
  summary: 'list packages and vulnerabilities of an image or a directory',
  usage: ['image scan REF|ARCHIVE [options]', 'image scan --rootfs DIR [options]'],
  description: [
    'Lists the vulnerabilities of an image, the highest risk first, with the versions that fix them, where the setting vulndb names a vulnerability database (plimsoll vulndb build or update), and otherwise its packages: those of dpkg, apk and rpm, and those of npm, Python, Go, Rust, Ruby, Java, PHP and .NET that belong to no package of the distribution. It needs no collector, starts no process and writes nothing but a temporary file without a name.',
    'ARCHIVE is a file that docker save or podman save wrote, or an OCI image layout, also compressed or as a directory. REF is an image of the local Docker or Podman, which is exported, or a running container, whose root is read in place. --rootfs reads a directory as the root of an image.',
    'plimsoll images lists the images that run on the nodes of a collector, with their vulnerabilities. plimsoll gate decides whether an image may run: it has --fail-on, VEX and waivers.',
    'What could not be read is listed as a gap: packages may be missing there. The packages that the database cannot judge are counted. Neither is taken for the absence of a vulnerability.',
  ],
  operands: { min: 1, max: 2, completes: 'imageAction' },
  options: [
    {
      name: 'rootfs',
      value: 'DIR',
      completes: 'directory',
      summary: 'read this directory as the root of an image, in place of REF or ARCHIVE',
    },
    {
      name: 'name',
      value: 'NAME',
      summary: 'the image of ARCHIVE that is meant, such as app:1.2, where it holds several',
    },
    {
      name: 'timeout',
      value: 'SECONDS',
      summary: `give up after this time; default: ${String(DEFAULT_TIMEOUT_S)}`,
    },
    { name: 'packages', summary: 'list the packages, not the vulnerabilities; -o json has both' },
    {
      name: 'require-complete',
      summary: `exit with status ${String(EXIT_INCOMPLETE)} if something could not be read or judged`,
    },
    IMAGE_OUTPUT_OPTION,
  ],
  settings: ['scan', 'image'],
  examples: [
    {
      line: 'plimsoll image scan nginx:1.27 --vulndb vulndb.sqlite',
      meaning: 'the vulnerabilities of an image of the local engine',
    },
    { line: 'plimsoll image scan nginx:1.27 --packages', meaning: 'its packages' },
    { line: 'docker save app:1 -o app.tar && plimsoll image scan app.tar', meaning: 'of an archive' },
    { line: 'plimsoll image scan app:1 -o cyclonedx > app.cdx.json', meaning: 'as an SBOM' },
    { line: 'sudo plimsoll image scan --rootfs / -o json', meaning: 'of this machine, for a program' },
  ],
  exits: [
    '  0  success',
    '  2  wrong usage, or an external failure',
    `  ${String(EXIT_INCOMPLETE)}  with --require-complete: something could not be read or judged`,
  ],
  run: async (context) => {
    const { args, settings, programs } = context;
    const target = targetOf(context);
    if (!target.ok) return printError(context, target.problem, target.hint);
    const timeoutS = Number(args.value('timeout') ?? DEFAULT_TIMEOUT_S);
    if (!Number.isInteger(timeoutS) || timeoutS < 1 || timeoutS > 86_400)
      return printError(context, '--timeout is a number of seconds from 1 to 86400');
    const progress = createProgressLine(context, describeProgress);
    const outcome = await programs.scanImage({
      settings,
      target: target.value,
      deadlineMs: timeoutS * 1000,
      signal: context.listenForShutdown(),
      onProgress: progress.show,
    });
    await progress.clear();
    if (!outcome.ok) {
      await printError(context, `${safe(target.label)}: ${outcome.problem}`, outcome.hint);
      return EXIT_FAILURE;
    }
    const found = findVulnerabilities(outcome.inventory, context);
    // Without a database the packages are listed; one that was named and one that is damaged are errors.
    if (!found.ok && (found.code === 'unusable' || isNamed(context)))
      return printError(context, `vulnerabilities are not known: ${safe(found.problem)}`, DATABASE_HINT);
    const report = { label: target.label, scanned: outcome, vulnerabilities: found.ok ? found.value : undefined };
    await printImage(context, report);
    return args.has('require-complete') && !isComplete(report) ? EXIT_INCOMPLETE : EXIT_OK;
  },
});

const DATABASE_HINT = 'plimsoll vulndb build --from DIR or plimsoll vulndb update --from SOURCE writes it';

/** Whether someone named the vulnerability database. */
function isNamed({ origins }: Context): boolean {
  return (origins.get('vulndb')?.origin ?? 'default') !== 'default';
}

type Target =
  | { readonly ok: true; readonly value: ImageTarget; readonly label: string }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };

function targetOf({ args, workingDirectory }: Context): Target {
  const [action, given, ...rest] = args.operands;
  if (action !== 'scan')
    return { ok: false, problem: `image has no action ${safe(action ?? '')}`, hint: 'see: plimsoll image --help' };
  const rootfs = args.value('rootfs');
  const name = args.value('name');
  if (rest.length > 0 || (given === undefined) === (rootfs === undefined))
    return { ok: false, problem: 'give one of REF, ARCHIVE and --rootfs DIR', hint: 'see: plimsoll image --help' };
  if (rootfs !== undefined)
    return { ok: true, value: { kind: 'directory', path: resolve(workingDirectory, rootfs) }, label: rootfs };
  const label = given ?? '';
  const path = resolve(workingDirectory, label);
  if (isPath(label, path)) return { ok: true, value: { kind: 'archive', path, name }, label };
  if (name !== undefined)
    return { ok: false, problem: '--name belongs to ARCHIVE', hint: 'see: plimsoll image --help' };
  return { ok: true, value: { kind: 'engine', reference: label }, label };
}

/**
 * Whether an operand is a path: it is written as one, or a file of this name exists. A directory has to be written as a
 * path, since one is easily called as an image.
 */
function isPath(given: string, path: string): boolean {
  if (/^(?:\/|\.{1,2}(?:\/|$))/.test(given) || /\.(?:tar|tgz|tar\.(?:gz|zst))$/.test(given)) return true;
  return existsSync(path) && statSync(path).isFile();
}

function describeProgress(progress: ImageScanProgress): string {
  return progress.stage === 'export' ? `exporting the image: ${formatBytes(progress.bytes)}` : describeRun(progress);
}
