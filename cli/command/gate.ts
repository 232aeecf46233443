import { join, resolve } from 'node:path';
import { examineImage } from '../../image/policy/examine-image.ts';
import type { Examination, ExaminationProgress } from '../../image/policy/examine-image.ts';
import { loadPolicies } from '../../image/policy/load-policies.ts';
import { lookUpVulnerabilities } from '../../image/policy/vulnerability-evidence.ts';
import { loadDockerConfig } from '../../image/registry/credentials.ts';
import type { CredentialSource } from '../../image/registry/credentials.ts';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { applyingPolicies, decide, mergeDecisions } from '../../policy/decide.ts';
import type { Decision, ImageSubject, Outcome } from '../../policy/decide.ts';
import type { ImageEvidence } from '../../policy/evidence.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { unreadable } from '../../posture/observed.ts';
import { defineCommand, EXIT_FAILURE, EXIT_ISSUES, EXIT_OK, outputOption, QUIET_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { applyBaseline, readBaseline } from '../gate/baseline.ts';
import { printReport } from '../gate/print-report.ts';
import { createProgress } from '../gate/progress.ts';
import { FAIL_ON_CHOICES, shortcutPolicy } from '../gate/shortcut-policy.ts';
import { targetOf } from '../gate/target.ts';
import type { GateTarget } from '../gate/target.ts';
import { printError } from '../print-error.ts';

/** Nothing speaks against the image, but not everything is known. */
const EXIT_UNKNOWN = 3;

const EXIT_CODES: Readonly<Record<Outcome, number>> = Object.freeze({
  allow: EXIT_OK,
  deny: EXIT_ISSUES,
  couldNotTell: EXIT_UNKNOWN,
});

const MAX_CA_BYTES = 1024 * 1024;

export const gate = defineCommand({
  name: 'gate',
  summary: 'decide whether an image may run',
  usage: [
    'gate REFERENCE --policy FILE',
    'gate ARCHIVE --policy FILE [--name REFERENCE]',
    'gate --rootfs DIR --policy FILE',
    'gate REFERENCE --fail-on SEVERITY',
  ],
  description: [
    'Lists the packages of an image, looks them up in the vulnerability database, and decides by image policies whether it may run. Prints every reason, with what to do. It needs no collector and no container engine.',
    'A reference is pulled from its registry, with the credentials of the Docker configuration. An archive is what docker save writes, or an OCI image layout (a tar or a directory). A path begins with / or ./ or ends in .tar, .tar.gz, .tgz or .json.',
    'What cannot be read, looked up or verified is never allowed: the exit status is 3 then. docs/policy.md describes policies, docs/gate.md their use in pipelines.',
  ],
  operands: { min: 0, max: 1, completes: 'file' },
  options: [
    { name: 'policy', value: 'FILE', repeated: true, completes: 'file', summary: 'policy file' },
    {
      name: 'fail-on',
      value: 'CONDITION',
      choices: FAIL_ON_CHOICES,
      repeated: true,
      summary: 'refuse vulnerabilities of this severity or a worse one, known exploited ones (kev), or by score',
    },
    { name: 'only-fixed', needs: 'fail-on', summary: 'with --fail-on: only vulnerabilities with a fixed version' },
    {
      name: 'unknown-severity',
      value: 'WORD',
      choices: ['couldNotTell', 'refuse', 'ignore'],
      needs: 'fail-on',
      summary: 'with --fail-on: what a vulnerability counts as that nobody has rated; default: couldNotTell',
    },
    { name: 'vulndb', value: 'FILE', completes: 'file', summary: 'vulnerability database' },
    { name: 'max-db-age', value: 'DURATION', summary: 'oldest database that is believed, such as 48h' },
    { name: 'rootfs', value: 'DIR', completes: 'directory', summary: 'judge a root file system' },
    { name: 'name', value: 'REFERENCE', summary: 'reference under which an archive will be deployed' },
    { name: 'namespace', value: 'NAME', summary: 'namespace that the image is to run in' },
    {
      name: 'platform',
      value: 'OS/ARCH',
      summary: 'which image of an index is judged, such as linux/arm64; default: that of this machine',
    },
    {
      name: 'baseline',
      value: 'FILE',
      completes: 'file',
      summary: 'earlier result (-o json); its violations in the contents of the image do not count',
    },
    { name: 'registry-ca', value: 'FILE', completes: 'file', summary: 'authorities of the registry in PEM' },
    { name: 'plain-http', summary: 'speak HTTP without TLS to the registry' },
    {
      name: 'output-file',
      value: 'FILE',
      completes: 'file',
      summary: 'write the output there, and print the table',
    },
    outputOption('table', 'json', 'ndjson', 'sarif', 'junit', 'gitlab', 'jsonpath='),
    QUIET_OPTION,
  ],
  settings: ['client'],
  examples: [
    {
      line: 'plimsoll gate registry.example.com/shop/db:16 --policy policy.yaml',
      meaning: 'exit status 0: it may run',
    },
    {
      line: 'plimsoll gate ./image.tar --fail-on critical --fail-on kev --only-fixed',
      meaning: 'without a policy file',
    },
    {
      line: 'plimsoll gate ./image.tar --policy policy.yaml -o sarif --output-file gate.sarif',
      meaning: 'for GitHub code scanning',
    },
  ],
  exits: [
    '  0  the image may run',
    '  1  it is refused: a rule is violated',
    '  2  wrong usage, or an external failure',
    '  3  could not tell: no rule is violated, but not everything is known',
  ],
  run: async (context) => {
    const chosen = targetOf(context.args, context.workingDirectory);
    if (!chosen.ok) return printError(context, chosen.problem, chosen.hint);
    const policies = await policiesOf(context);
    if (policies === undefined) return EXIT_FAILURE;
    const prepared = await prepare(context);
    if (!prepared.ok) return printError(context, prepared.problem);
    return judge(context, chosen, { ...policies, ...prepared.value });
  },
});

interface Policies {
  readonly files: readonly ImagePolicy[];
  readonly shortcut: ImagePolicy | undefined;
}

interface Prepared {
  readonly credentials: CredentialSource;
  readonly ca: string | undefined;
  readonly platform: { readonly os: string; readonly architecture: string };
  readonly baseline: ReadonlySet<string>;
}

/** The policies; undefined after what is wrong with them was printed. */
async function policiesOf(context: Context): Promise<Policies | undefined> {
  const { args, workingDirectory } = context;
  const files = args.values('policy').map((path) => resolve(workingDirectory, path));
  const shortcut = shortcutPolicy(args);
  if (!shortcut.ok) {
    await printError(context, shortcut.problem);
    return undefined;
  }
  if (files.length === 0 && !args.has('fail-on')) {
    await printError(context, 'gate needs --policy FILE or --fail-on SEVERITY');
    return undefined;
  }
  const loaded = await loadPolicies(files);
  if (loaded.ok) return { files: loaded.policies, shortcut: shortcut.value };
  for (const { source, problem } of loaded.problems) await printError(context, `${source}: ${problem}`);
  return undefined;
}

type Outcomes<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Reads what the options name, before anything is pulled. */
async function prepare({ args, workingDirectory, environment, home, platform }: Context): Promise<Outcomes<Prepared>> {
  const file = args.value('baseline');
  const baseline = file === undefined ? undefined : await readBaseline(resolve(workingDirectory, file));
  if (baseline?.ok === false) return { ok: false, problem: `--baseline ${file ?? ''}: ${baseline.problem}` };
  const caFile = args.value('registry-ca');
  const ca = caFile === undefined ? undefined : await readBoundedText(resolve(workingDirectory, caFile), MAX_CA_BYTES);
  if (ca?.ok === false) return { ok: false, problem: `--registry-ca ${caFile ?? ''}: ${ca.reason}` };
  const directory = environment['DOCKER_CONFIG'] ?? join(home, '.docker');
  const docker = await loadDockerConfig(join(directory, 'config.json'));
  if (!docker.ok) return { ok: false, problem: docker.reason };
  const [, os, architecture] = /^([a-z0-9]+)\/([a-z0-9_]+)$/.exec(args.value('platform') ?? 'linux/own') ?? [];
  if (os === undefined || architecture === undefined)
    return { ok: false, problem: '--platform: expected OS/ARCH, such as linux/arm64' };
  const own = platform.architecture === 'x64' ? 'amd64' : platform.architecture;
  return {
    ok: true,
    value: {
      credentials: docker.credentials,
      ca: ca?.text,
      platform: { os, architecture: architecture === 'own' ? own : architecture },
      baseline: baseline?.value ?? new Set(),
    },
  };
}

async function judge(
  context: Context,
  chosen: Extract<GateTarget, { ok: true }>,
  { files, shortcut, credentials, ca, platform, baseline }: Policies & Prepared,
): Promise<number> {
  const { args, clock, workingDirectory } = context;
  const now = clock.now();
  const progress = createProgress(context, describeProgress);
  const signal = context.listenForShutdown();
  const examined = await examineImage(chosen.target, {
    worker: context.inventoryWorker,
    registry: { credentials, ca, plainHttp: args.has('plain-http') },
    platform,
    now,
    signal,
    onProgress: progress.show,
  });
  await progress.end();
  if (!examined.ok) {
    await printError(context, examined.reason);
    return examined.code === 'unreachable' ? EXIT_UNKNOWN : EXIT_FAILURE;
  }
  const subject: ImageSubject = {
    reference: chosen.reference,
    digest: examined.value.digest,
    namespace: args.value('namespace'),
  };
  const vulndb = args.value('vulndb');
  const file = vulndb === undefined ? undefined : resolve(workingDirectory, vulndb);
  const evidence = evidenceOf(examined.value, file, now);
  const decided = decideBy(subject, evidence, { files, shortcut }, now);
  const report = {
    ...applyBaseline(decided, baseline),
    subject,
    target: chosen.text,
    evidence,
    policies: [
      ...(files.length > 0 ? applyingPolicies(subject, files) : []),
      ...(shortcut === undefined ? [] : [shortcut]),
    ],
    decidedAt: now,
    version: context.version,
  };
  try {
    await printReport(context, report);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return printError(context, `--output-file ${args.value('output-file') ?? ''}: cannot be written (${code})`);
  }
  return EXIT_CODES[report.decision.outcome];
}

function evidenceOf(examination: Examination, vulndb: string | undefined, now: number): ImageEvidence {
  const { inventory, configuration, scannedAt } = examination;
  const architecture = configuration.state === 'seen' ? configuration.value.architecture : configuration;
  const looked = lookUpVulnerabilities({
    inventory,
    file: vulndb,
    now,
    architecture: architecture.state === 'seen' ? architecture.value : undefined,
  });
  const signatures = unreadable('registry', 'signatures were not looked for');
  return { inventory, scannedAt, configuration, ...looked, signatures };
}

function decideBy(
  subject: ImageSubject,
  evidence: ImageEvidence,
  { files, shortcut }: Policies,
  now: number,
): Decision {
  const byOptions = shortcut === undefined ? undefined : decide(subject, evidence, [shortcut], now);
  const byFiles = files.length === 0 ? undefined : decide(subject, evidence, files, now);
  if (byOptions === undefined || byFiles === undefined)
    return byOptions ?? byFiles ?? decide(subject, evidence, [], now);
  return mergeDecisions(byFiles, byOptions);
}

function describeProgress(progress: ExaminationProgress): string {
  switch (progress.kind) {
    case 'pull':
      return `pulling: ${megabytes(progress.bytes)} of ${megabytes(progress.ofBytes)} MB`;
    case 'inventory':
      return `listing packages: ${String(progress.files)} files, ${String(progress.packages)} packages`;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
