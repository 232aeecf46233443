import { resolve } from 'node:path';
import { loadPolicies } from '../../image/policy/load-policies.ts';
import type { LoadedPolicies } from '../../image/policy/load-policies.ts';
import type { ContainerPolicy } from '../../policy/docker/container-policy.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { modeOf } from '../../policy/image-policy.ts';
import type { PodPolicy } from '../../policy/pod/pod-policy.ts';
import type { ResponsePolicy } from '../../policy/rollout/response-policy.ts';
import type { RolloutPolicy } from '../../policy/rollout/rollout-policy.ts';
import { defineCommand, EXIT_FAILURE, EXIT_ISSUES, EXIT_OK, outputOption } from '../command.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { explain } from '../policy/explain.ts';
import { listExemptions, listPolicies } from '../policy/list.ts';
import { simulate } from '../policy/simulate.ts';
import { testPolicies } from '../policy/test.ts';
import { printError } from '../print-error.ts';

export const policy = defineCommand({
  name: 'policy',
  summary: 'check, test, explain, list, simulate and export policies',
  usage: [
    'policy check FILE…',
    'policy test FILE…',
    'policy explain IMAGE|FILE… [--policy FILE] [--namespace NAME]',
    'policy explain IMAGE|FILE… --snapshot DIR --snapshot-key FILE',
    'policy export --format vap FILE…',
    'policy list',
    'policy exemptions',
    'policy simulate [--namespace NAME]',
  ],
  description: [
    'Image policies are YAML documents that say which images may run; docs/policy.md describes them. plimsoll gate applies them.',
    'check loads policy files and prints what is wrong with them, with the place, or the policies that they hold. test runs cases: an image or an object of Kubernetes, what is known about it, and the decision that is expected; --output junit prints JUnit XML.',
    'explain prints how images and objects of Kubernetes are decided: the policies that match and why the most specific one decides, each rule with what it was judged by, and what to do about each that does not pass. FILE is a manifest (YAML or JSON) with pods, Deployments and other objects that create pods, also in a List; its path begins with / or ./ or ends in .yaml, .yml or .json, and - is standard input. It decides as admission control does: by the snapshot of the collector, by that in the directory of --snapshot, or by policy files, which say nothing about the content of images.',
    'export prints policies as ValidatingAdmissionPolicy objects, which the API server of Kubernetes 1.30 and newer enforces without a webhook: the rules registry and reference of image policies, and pod policies. Rules that need evidence about an image, and conditions on nodes, are left out, and named on standard error.',
    'list asks the collector for the policies that it has in use, with their conditions in words; exit status 1 where its policy files are wrong, so that earlier ones stay in use. exemptions prints what is left out: waivers of vulnerabilities and when they expire, namespaces that the admission webhook is not asked about, and what policies leave out of their own conditions.',
    'simulate asks the collector what its own policies, those of the setting policies, decide about the images that run: per image the outcome, and the outcome if every rule were enforced, and per policy how many containers enforcing it would refuse.',
  ],
  operands: { min: 1, max: 100, completes: 'policyAction' },
  options: [
    {
      name: 'policy',
      value: 'FILE',
      repeated: true,
      summary: 'with explain: policy files',
      completes: 'file',
    },
    {
      name: 'snapshot',
      value: 'DIR',
      summary: 'with explain: directory with a policy snapshot (snapshot.json, snapshot.sig)',
      completes: 'directory',
    },
    {
      name: 'snapshot-key',
      value: 'FILE',
      needs: 'snapshot',
      summary: 'public key of the collector that must have signed it',
      completes: 'file',
    },
    {
      name: 'client',
      value: 'NAME',
      summary: 'with explain: common name of a client certificate of dockerd; default: none',
    },
    {
      name: 'namespace',
      value: 'NAME',
      summary: 'with explain and simulate: namespace of images, and of objects that name none (default)',
    },
    {
      name: 'format',
      value: 'FORMAT',
      choices: ['vap'],
      summary: 'with export: vap: ValidatingAdmissionPolicy, as YAML; with --output json as a List',
    },
    outputOption('table', 'wide', 'json', 'ndjson', 'csv', 'name', 'junit', 'jsonpath='),
  ],
  settings: ['image', 'client'],
  examples: [
    { line: 'plimsoll policy check policies/*.yaml', meaning: 'for a pipeline: exit status 1 if one is wrong' },
    { line: 'plimsoll policy test policies/test.yaml', meaning: 'whether the policies decide as expected' },
    {
      line: 'plimsoll policy explain registry.example.com/shop/db:16',
      meaning: 'how the policies of the collector decide on this image',
    },
    {
      line: 'plimsoll policy explain deploy.yaml --policy policies/pods.yaml',
      meaning: 'how policy files decide on the pods of a manifest',
    },
    {
      line: 'plimsoll policy export --format vap policies/*.yaml | kubectl apply -f -',
      meaning: 'let the API server enforce them',
    },
    { line: 'plimsoll policy exemptions', meaning: 'what is not enforced, and until when' },
    { line: 'plimsoll policy simulate', meaning: 'what enforcing each policy would do to the running fleet' },
  ],
  issue: 'a policy file is wrong, a case differs, or what is explained may not run',
  run: async (context) => {
    const [action = '', ...operands] = context.args.operands;
    const asksCollector = ['list', 'exemptions', 'simulate'].includes(action);
    if (asksCollector && operands.length > 0)
      return printError(context, `policy ${action} takes no file: it asks the collector`);
    if (!asksCollector && operands.length === 0)
      return printError(context, 'policy needs an action, such as check, and a file', 'see: plimsoll policy --help');
    if (action !== 'test' && context.args.value('output') === 'junit')
      return printError(context, '--output junit belongs to policy test', 'see: plimsoll policy --help');
    const paths = operands.map((path) => resolve(context.workingDirectory, path));
    switch (action) {
      case 'check':
        return check(context, paths);
      case 'test':
        return testPolicies(context, paths);
      case 'simulate':
        return simulate(context);
      case 'list':
        return listPolicies(context);
      case 'exemptions':
        return listExemptions(context);
      case 'explain':
        return explain(context, operands);
      case 'export':
        return exportPolicies(context, paths);
      default:
        return printError(
          context,
          `policy has no action ${JSON.stringify(action)}; use check, test, explain, list, exemptions, simulate or export`,
        );
    }
  },
});

async function check(context: Context, paths: readonly string[]): Promise<number> {
  const loaded = await load(context, paths);
  if (loaded === undefined) return EXIT_ISSUES;
  const { policies, podPolicies, containerPolicies, rolloutPolicies, responsePolicies } = loaded;
  const documents = [
    ...policies.map(policyDocument),
    ...podPolicies.map(podPolicyDocument),
    ...containerPolicies.map(containerPolicyDocument),
    ...rolloutPolicies.map(rolloutPolicyDocument),
    ...responsePolicies.map(responsePolicyDocument),
  ];
  await printListing(context, {
    document: { policies: documents },
    items: documents,
    names: documents.map(({ name }) => name),
    columns: [
      { title: 'KIND' },
      { title: 'NAME' },
      { title: 'MODE' },
      { title: 'IMAGES' },
      { title: 'NAMESPACES' },
      { title: 'RULES', align: 'right' },
      { title: 'FILE', wide: true },
    ],
    rows: documents.map(({ kind, name, mode, images, namespaces, rules, source }) => [
      { text: kind },
      { text: name },
      { text: mode },
      { text: images.join(', ') },
      { text: namespaces.join(', ') },
      { text: String(rules.length), value: rules.length },
      { text: source },
    ]),
    empty: 'No policies.',
  });
  return EXIT_OK;
}

type Loaded = Extract<LoadedPolicies, { ok: true }>;

/** The policies; undefined after what is wrong with them was printed. */
async function load(context: Context, paths: readonly string[]): Promise<Loaded | undefined> {
  const loaded = await loadPolicies(paths);
  if (loaded.ok) return loaded;
  for (const { source, problem } of loaded.problems) await printError(context, `${source}: ${problem}`);
  return undefined;
}

/** A policy as `policy check` prints it. */
interface PrintedPolicy {
  readonly kind: string;
  readonly name: string;
  readonly mode: string;
  readonly images: readonly string[];
  readonly namespaces: readonly string[];
  readonly rules: readonly object[];
  readonly source: string;
}

function podPolicyDocument({ name, mode, match, podSecurity, source }: PodPolicy): PrintedPolicy {
  const rules = podSecurity === null ? [] : [{ type: 'podSecurity', level: podSecurity.level, mode }];
  return { kind: 'PodPolicy', name, mode, images: [], namespaces: match.namespaces, rules, source };
}

function containerPolicyDocument({ name, mode, source }: ContainerPolicy): PrintedPolicy {
  return { kind: 'ContainerPolicy', name, mode, images: [], namespaces: [], rules: [], source };
}

function responsePolicyDocument({ name, mode, match, action, source }: ResponsePolicy): PrintedPolicy {
  const { namespaces, checks } = match;
  const rules = checks.map((check) => ({ type: action, check }));
  return { kind: 'ResponsePolicy', name, mode, images: [], namespaces, rules, source };
}

function rolloutPolicyDocument({ name, mode, match, trigger, source }: RolloutPolicy): PrintedPolicy {
  const set = Object.entries(trigger).filter(([, value]) => value !== null && value !== false);
  const images = match.images.map(({ text }) => text);
  return {
    kind: 'RolloutPolicy',
    name,
    mode,
    images,
    namespaces: match.namespaces,
    rules: set.map(([condition, value]) => ({ type: 'trigger', condition, value })),
    source,
  };
}

function policyDocument(one: ImagePolicy): PrintedPolicy {
  return {
    kind: 'ImagePolicy',
    name: one.name,
    mode: one.mode,
    images: one.match.images.map(({ text }) => text),
    namespaces: one.match.namespaces,
    rules: one.rules.map((rule) => ({ type: rule.type, mode: modeOf(one, rule) })),
    source: one.source,
  };
}

async function exportPolicies(context: Context, paths: readonly string[]): Promise<number> {
  if (context.args.value('format') === undefined) return printError(context, 'policy export needs --format vap');
  const output = context.args.value('output');
  if (output !== undefined && output !== 'json')
    return printError(context, `policy export prints YAML, or JSON with --output json, not ${output}`);
  const loaded = await load(context, paths);
  if (loaded === undefined) return EXIT_FAILURE;
  const { exportAdmissionPolicies } = await import('../../policy/vap/admission-policy.ts');
  const exported = exportAdmissionPolicies(loaded.policies, loaded.podPolicies);
  if (!exported.ok) return printError(context, exported.problem);
  for (const rule of exported.omitted)
    await context.stderr.write(`plimsoll: left out, needs evidence that the API server does not have: ${rule}\n`);
  const { stringify } = await import('yaml');
  // Long expressions stay on one line: a line break within a string of YAML is easily damaged.
  const text =
    output === 'json'
      ? `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: exported.objects }, undefined, 2)}\n`
      : exported.objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n');
  await context.stdout.write(text);
  return EXIT_OK;
}
