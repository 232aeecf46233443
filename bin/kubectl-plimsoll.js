#!/usr/bin/env node
// `kubectl plimsoll COMMAND`: runs plimsoll against the collector of a cluster, through the API server's port forwarding.
import { spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const USAGE = `Runs plimsoll against the collector of a Kubernetes cluster.

usage: kubectl plimsoll [--context NAME] [--kubeconfig FILE] [--namespace NAME] COMMAND [arguments]

It forwards a port to the pod plimsoll-collector-0 in the namespace plimsoll, or the one that you name. The operator
token comes from --token-file or PLIMSOLL_TOKEN_FILE; without them, the token of the collector is read from its pod,
which requires the right to exec in it. Where the operator API speaks TLS, its authority is read from the ConfigMap
plimsoll-ca in the namespace plimsoll-agents, or is the one of --api-tls-ca.

examples:
  kubectl plimsoll findings --severity critical
  kubectl plimsoll --context staging status
`;

const POD = 'plimsoll-collector-0';
const API_PORT = 7480;
/** The authority of the collector, as it publishes it. */
const CA_CONFIG_MAP = { namespace: 'plimsoll-agents', name: 'plimsoll-ca' };
const CA_OUTPUT = '--output=jsonpath={.data.ca\\.crt}';
const TOKEN_PATH = '/var/lib/plimsoll/data/operator-token';
const FORWARD_DEADLINE_MS = 20_000;
const FORWARDED = /^Forwarding from 127\.0\.0\.1:(\d+) -> /m;
/** Options of kubectl that select the cluster, before the command. */
const KUBECTL_OPTIONS = new Set(['--context', '--kubeconfig', '--namespace', '-n', '--cluster', '--user', '--as']);

process.exitCode = await main(process.argv.slice(2));

async function main(argv) {
  const { kubectl, command } = splitArguments(argv);
  if (command.length === 0 || command[0] === '--help' || command[0] === '-h') {
    process.stdout.write(USAGE);
    return command.length === 0 ? 2 : 0;
  }
  // A signal of the terminal reaches the command too, which ends in its own way.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
  const [forward, speaksTls] = await Promise.all([forwardPort(kubectl), usesTls(kubectl)]);
  if (forward.problem !== undefined) return fail(`the collector cannot be reached: ${forward.problem}`);
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-'));
  try {
    const environment = { ...process.env, PLIMSOLL_API: `127.0.0.1:${forward.port}` };
    if (speaksTls && !hasCa(command)) {
      const read = await run(['get', 'configmap', CA_CONFIG_MAP.name, ...clusterOf(kubectl), CA_OUTPUT]);
      if (read.code !== 0 || read.stdout === '')
        return fail(`no authority of the collector: ${read.stderr.trim()}\n  name it with --api-tls-ca FILE`);
      environment.PLIMSOLL_API_TLS_CA = join(directory, 'ca.pem');
      writeFileSync(environment.PLIMSOLL_API_TLS_CA, read.stdout);
    }
    if (speaksTls) environment.PLIMSOLL_API_TLS = 'on';
    if (!hasToken(command)) {
      const read = await run(['exec', ...kubectl, POD, '--', '/usr/bin/node', '--print', readScript()]);
      if (read.code !== 0)
        return fail(
          `no operator token: ${read.stderr.trim()}\n  name yours with --token-file FILE, or ask for the right to exec in ${POD}`,
        );
      environment.PLIMSOLL_TOKEN_FILE = join(directory, 'token');
      writeFileSync(environment.PLIMSOLL_TOKEN_FILE, read.stdout, { mode: 0o600 });
    }
    return await runPlimsoll(command, environment);
  } finally {
    forward.end();
    rmSync(directory, { recursive: true });
  }
}

/** Options of kubectl come first; everything from the first other word on belongs to plimsoll. */
function splitArguments(argv) {
  const kubectl = [];
  let index = 0;
  for (let name; (name = argv[index]?.split('=')[0]) !== undefined && KUBECTL_OPTIONS.has(name); index += 1) {
    kubectl.push(argv[index]);
    if (!argv[index].includes('=')) kubectl.push(argv[(index += 1)] ?? '');
  }
  const hasNamespace = kubectl.some((option) => /^(?:-n|--namespace)(?:=|$)/.test(option));
  return { kubectl: hasNamespace ? kubectl : [...kubectl, '--namespace=plimsoll'], command: argv.slice(index) };
}

function hasToken(command) {
  return 'PLIMSOLL_TOKEN_FILE' in process.env || command.some((word) => /^--token-file(?:=|$)/.test(word));
}

function hasCa(command) {
  return 'PLIMSOLL_API_TLS_CA' in process.env || command.some((word) => /^--api-tls-ca(?:=|$)/.test(word));
}

/** The options with the namespace of the authority. */
function clusterOf(kubectl) {
  const options = [];
  for (let index = 0; index < kubectl.length; index += 1) {
    if (kubectl[index] === '--namespace' || kubectl[index] === '-n') index += 1;
    else if (!/^(?:--namespace|-n)=/.test(kubectl[index])) options.push(kubectl[index]);
  }
  return [...options, `--namespace=${CA_CONFIG_MAP.namespace}`];
}

/** Does the operator API speak TLS? By the arguments of the collector, as it decides: everywhere but on loopback. */
async function usesTls(kubectl) {
  const read = await run(['get', 'pod', POD, ...kubectl, '--output=jsonpath={.spec.containers[0].args}']);
  if (read.code !== 0) return false;
  const valueOf = (name) => new RegExp(`"--${name}=([^"]*)"`).exec(read.stdout)?.[1];
  const choice = valueOf('api-tls') ?? 'auto';
  return choice === 'on' || (choice === 'auto' && !/^(?:127\.|localhost|\[::1\]|$)/.test(valueOf('api') ?? ''));
}

function readScript() {
  return `fs.readFileSync(${JSON.stringify(TOKEN_PATH)}, 'utf8').trim()`;
}

/** Forwards a free port of this machine; resolves to it, or to why that is not possible. */
function forwardPort(kubectl) {
  const child = spawn('kubectl', ['port-forward', ...kubectl, `pod/${POD}`, `:${API_PORT}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Not in the foreground group: Ctrl-C ends the command first.
    detached: true,
  });
  const end = () => void child.kill();
  return new Promise((resolve) => {
    let output = '';
    let errors = '';
    const timer = setTimeout(() => {
      end();
      resolve({ problem: 'no answer from kubectl port-forward within 20 s' });
    }, FORWARD_DEADLINE_MS);
    const settle = (result) => {
      clearTimeout(timer);
      resolve(result);
    };
    child.stdout.on('data', (chunk) => {
      output = (output + chunk).slice(-4096);
      const port = FORWARDED.exec(output)?.[1];
      if (port !== undefined) settle({ port, end });
    });
    child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-4096)));
    child.on('error', (error) => settle({ problem: `kubectl cannot be started (${error.code})` }));
    child.on('exit', () => settle({ problem: errors.trim() || 'kubectl port-forward ended' }));
  });
}

function run(args) {
  const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve) => {
    const result = { code: 1, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (result.stdout += chunk));
    child.stderr.on('data', (chunk) => (result.stderr += chunk));
    child.on('error', (error) => resolve({ ...result, stderr: error.message }));
    child.on('close', (code) => resolve({ ...result, code }));
  });
}

function runPlimsoll(command, env) {
  const script = join(dirname(realpathSync(fileURLToPath(import.meta.url))), 'plimsoll.js');
  const child = spawn(process.execPath, [script, ...command], { stdio: 'inherit', env });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 2)));
}

function fail(message) {
  process.stderr.write(`kubectl plimsoll: ${message}\n`);
  return 2;
}
