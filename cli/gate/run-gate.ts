import { join, resolve } from 'node:path';
import { annotate, loadAnnotations } from '../../image/policy/annotations.ts';
import type { Annotations } from '../../image/policy/annotations.ts';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { examineImage } from '../../image/policy/examine-image.ts';
import type { Examination, ExaminationProgress, Examined } from '../../image/policy/examine-image.ts';
import { loadPolicies } from '../../image/policy/load-policies.ts';
import { authoritiesOf } from '../../image/policy/signature-evidence.ts';
import { lookUpVulnerabilities } from '../../image/policy/vulnerability-evidence.ts';
import { loadDockerConfig } from '../../image/registry/credentials.ts';
import type { CredentialSource } from '../../image/registry/credentials.ts';
import { applyingPolicies, decide, mergeDecisions } from '../../policy/decide.ts';
import type { Decision, ImageSubject, Outcome } from '../../policy/decide.ts';
import type { ImageEvidence } from '../../policy/evidence.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { parseReference } from '../../policy/reference.ts';
import { mapObserved } from '../../posture/observed.ts';
import type { RegistryRemedy } from '../../image/registry/registry-result.ts';
import type { Settings } from '../../service/config/settings.ts';
import { formatBytes } from '../../service/bytes.ts';
import { errorCode } from '../../service/files.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT_FAILURE, EXIT_ISSUES, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { printError } from '../print-error.ts';
import { createProgressLine, describeRun } from '../progress-line.ts';
import { applyBaseline, readBaseline } from './baseline.ts';
import { printReport } from './print-report.ts';
import { shortcutPolicy } from './shortcut-policy.ts';
import { targetOf } from './target.ts';
import type { GateTarget } from './target.ts';

/** Nothing speaks against the image, but not everything is known. */
const EXIT_UNKNOWN = 3;

const EXIT_CODES: Readonly<Record<Outcome, number>> = Object.freeze({
  allow: EXIT_OK,
  deny: EXIT_ISSUES,
  couldNotTell: EXIT_UNKNOWN,
});

const MAX_CA_BYTES = 1024 * 1024;

/** Runs `plimsoll gate`; answers the exit code. */
export async function runGate(context: Context): Promise<number> {
  const chosen = targetOf(context.args, context.workingDirectory);
  if (!chosen.ok) return printError(context, chosen.problem, chosen.hint);
  const policies = await policiesOf(context, chosen);
  if (policies === undefined) return EXIT_FAILURE;
  const prepared = await prepare(context, policies);
  if (!prepared.ok) return printError(context, prepared.problem);
  return judge(context, chosen, { ...policies, ...prepared.value });
}

interface Policies {
  /** Whether policy files were given; without, the options are all there is. */
  readonly hasFiles: boolean;
  /** Policies of files that apply to the image. */
  readonly files: readonly ImagePolicy[];
  readonly shortcut: ImagePolicy | undefined;
}

interface Prepared {
  readonly credentials: CredentialSource;
  readonly ca: string | undefined;
  readonly platform: { readonly os: string; readonly architecture: string };
  readonly baseline: ReadonlySet<string>;
  readonly annotations: Annotations;
}

/** The policies; undefined after what is wrong with them was printed. */
async function policiesOf(
  context: Context,
  { reference }: Extract<GateTarget, { ok: true }>,
): Promise<Policies | undefined> {
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
  const subject = { reference, digest: undefined, namespace: args.value('namespace') };
  if (loaded.ok)
    return {
      hasFiles: files.length > 0,
      files: applyingPolicies(subject, loaded.policies),
      shortcut: shortcut.value,
    };
  for (const { source, problem } of loaded.problems) await printError(context, `${source}: ${problem}`);
  return undefined;
}

type Outcomes<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Reads what the options name, before anything is pulled. */
async function prepare(
  { args, clock, workingDirectory, environment, home, platform }: Context,
  { files }: Policies,
): Promise<Outcomes<Prepared>> {
  const named = (option: string): readonly string[] =>
    args.values(option).map((path) => resolve(workingDirectory, path));
  const annotations = await loadAnnotations(
    {
      vex: [...named('vex'), ...files.flatMap(({ vex }) => vex)],
      waivers: [...named('waivers'), ...files.flatMap(({ waivers }) => waivers)],
    },
    clock.now(),
  );
  if (!annotations.ok) return annotations;
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
      annotations: annotations.value,
    },
  };
}

async function judge(
  context: Context,
  chosen: Extract<GateTarget, { ok: true }>,
  prepared: Policies & Prepared,
): Promise<number> {
  const { args, clock, settings } = context;
  const { files, shortcut, baseline, annotations } = prepared;
  const now = clock.now();
  const examined = await examine(context, chosen, prepared, now);
  if (!examined.ok) {
    await printError(context, examined.reason, hintFor(examined.remedy, args));
    return examined.code === 'unreachable' ? EXIT_UNKNOWN : EXIT_FAILURE;
  }
  const { digest } = examined.value;
  const subject: ImageSubject = { reference: chosen.reference, digest, namespace: args.value('namespace') };
  const { evidence, notes } = evidenceOf(examined.value, { settings, now, annotations, reference: chosen.reference });
  for (const note of notes) await printError(context, `warning: ${note}`);
  const report = {
    ...applyBaseline(decideBy(subject, evidence, prepared, now), baseline),
    subject,
    target: chosen.text,
    evidence,
    policies: [...files, ...(shortcut === undefined ? [] : [shortcut])],
    decidedAt: now,
    version: context.version,
  };
  try {
    await printReport(context, report);
  } catch (error) {
    return printError(
      context,
      `--output-file ${args.value('output-file') ?? ''}: cannot be written (${errorCode(error)})`,
    );
  }
  return EXIT_CODES[report.decision.outcome];
}

function hintFor(remedy: RegistryRemedy | undefined, args: Arguments): string | undefined {
  switch (remedy) {
    case 'trust':
      return args.has('registry-ca')
        ? 'the file of --registry-ca does not hold the authority of the registry'
        : 'name the authority of the registry: --registry-ca FILE';
    case 'plainHttp':
      return 'if the registry has no TLS: --plain-http';
    case 'login':
      return 'credentials are those in auths of config.json of Docker (DOCKER_CONFIG, ~/.docker): docker login';
    case undefined:
      return args.has('plain-http') ? 'the registry was asked without TLS, because of --plain-http' : undefined;
  }
}

async function examine(
  context: Context,
  { target }: Extract<GateTarget, { ok: true }>,
  { files, shortcut, credentials, ca, platform }: Policies & Prepared,
  now: number,
): Promise<Examined> {
  const progress = createProgressLine(context, describeProgress);
  const examined = await examineImage(target, {
    worker: context.inventoryWorker,
    registry: { credentials, ca, plainHttp: context.args.has('plain-http') },
    platform,
    authorities: authoritiesOf(shortcut === undefined ? files : [...files, shortcut]),
    now,
    signal: context.listenForShutdown(),
    onProgress: progress.show,
  });
  await progress.clear();
  return examined;
}

interface LookedUp {
  readonly settings: Pick<Settings, 'vulndb' | 'vulndbMaxAge'>;
  readonly now: number;
  readonly annotations: Annotations;
  readonly reference: string | undefined;
}

interface Evidence {
  readonly evidence: ImageEvidence;
  readonly notes: readonly string[];
}

function evidenceOf(examination: Examination, { settings, now, annotations, reference }: LookedUp): Evidence {
  const { inventory, configuration, scannedAt, signatures, digest } = examination;
  const architecture = configuration.state === 'seen' ? configuration.value.architecture : configuration;
  const looked = lookUpVulnerabilities({
    inventory,
    file: settings.vulndb,
    maxAgeMs: settings.vulndbMaxAge,
    now,
    architecture: architecture.state === 'seen' ? architecture.value : undefined,
  });
  const parsed = reference === undefined ? undefined : parseReference(reference);
  const image = {
    reference: parsed?.ok === true ? parsed.value : undefined,
    digest,
    distribution: inventory.state === 'seen' ? inventory.value.distribution : undefined,
    now,
  };
  let notes: readonly string[] = annotations.notes;
  const vulnerabilities = mapObserved(looked.vulnerabilities, ({ matches, unjudged }) => {
    const annotated = annotate(matches, annotations, image);
    ({ notes } = annotated);
    return { matches: annotated.matches, unjudged };
  });
  return { evidence: { inventory, scannedAt, configuration, signatures, ...looked, vulnerabilities }, notes };
}

function decideBy(
  subject: ImageSubject,
  evidence: ImageEvidence,
  { hasFiles, files, shortcut }: Policies,
  now: number,
): Decision {
  const byOptions = shortcut === undefined ? undefined : decide(subject, evidence, [shortcut], now);
  const byFiles = hasFiles ? decide(subject, evidence, files, now) : undefined;
  if (byOptions === undefined || byFiles === undefined)
    return byOptions ?? byFiles ?? decide(subject, evidence, [], now);
  return mergeDecisions(byFiles, byOptions);
}

function describeProgress(progress: ExaminationProgress): string {
  return progress.stage === 'pull'
    ? `pulling: ${formatBytes(progress.bytes)} of ${formatBytes(progress.ofBytes)}`
    : describeRun(progress);
}
