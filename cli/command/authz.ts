import { resolve } from 'node:path';
import { builtInPolicy } from '../../policy/docker/container-policy.ts';
import { defineCommand, EXIT_ISSUES, EXIT_OK, outputOption } from '../command.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { printError } from '../print-error.ts';
import { runService } from '../run-service.ts';

export const authz = defineCommand({
  name: 'authz',
  summary: 'decide for dockerd what its clients may do',
  usage: ['authz [options]', 'authz check [FILE] [options]', 'authz fetch [options]'],
  description: [
    'Authorization plugin of Docker: dockerd asks it before each request to its API. Container policies (YAML, docs/docker-authorization.md) say what is allowed: privileged containers, namespaces and directories of the host, capabilities, devices, and groups of calls. What is not understood is refused. It asks nobody while it decides. Runs in the foreground and logs to standard error.',
    'manifests/systemd has its socket and service; docs/docker-authorization.md describes how to set it up. While dockerd is configured with the plugin and the plugin does not answer, dockerd refuses every request.',
    'check loads container policies and prints what is wrong with them, or the policies. Without FILE: those of the setting container-policy.',
    'fetch keeps the signed policy snapshot of the collector in the directory of the setting policy-snapshot, as a process of its own: the one that decides needs no network. It stores no snapshot that the key of the setting policy-snapshot-key has not signed, and none that is older than the one that is there.',
  ],
  operands: { min: 0, max: 2, completes: 'authzAction' },
  options: [outputOption('table', 'json', 'ndjson', 'csv', 'name', 'jsonpath=')],
  settings: ['authz'],
  examples: [
    { line: 'plimsoll authz --log-format text', meaning: 'with the built-in policy, on /run/docker/plugins' },
    { line: 'plimsoll authz check /etc/plimsoll/container-policy.yaml', meaning: 'exit status 1 if it is wrong' },
  ],
  issue: 'a policy file is wrong',
  run: async (context) => {
    const [action, file, ...rest] = context.args.operands;
    if (action === undefined) {
      if (context.args.has('output')) return printError(context, '--output is for: plimsoll authz check');
      return runService(context, context.programs.authz);
    }
    if (action === 'fetch' && file === undefined) {
      if (context.args.has('output')) return printError(context, '--output is for: plimsoll authz check');
      return runService(context, context.programs.authzFetch);
    }
    if (action !== 'check' || rest.length > 0)
      return printError(context, `unknown action: ${JSON.stringify(action)}`, 'see: plimsoll authz --help');
    return check(context, file);
  },
});

async function check(context: Context, file: string | undefined): Promise<number> {
  const { settings, workingDirectory, programs } = context;
  const path = file === undefined ? settings.containerPolicy : resolve(workingDirectory, file);
  if (path === 'snapshot')
    return printError(
      context,
      'container-policy is snapshot: name a file',
      'or verify it where the collector reads it',
    );
  const loaded =
    path === 'built-in'
      ? { ok: true as const, policies: [builtInPolicy()] }
      : await programs.checkContainerPolicies(path);
  if (!loaded.ok) {
    for (const problem of loaded.problems) await printError(context, problem);
    return EXIT_ISSUES;
  }
  const { policies } = loaded;
  await printListing(context, {
    document: { policies },
    items: policies,
    names: policies.map(({ name }) => name),
    columns: [{ title: 'NAME' }, { title: 'MODE' }, { title: 'CLIENTS' }, { title: 'OPERATIONS' }, { title: 'FILE' }],
    rows: policies.map(({ name, mode, match, operations, source }) => [
      { text: name },
      { text: mode },
      { text: match.clients.join(', ') },
      { text: operations.join(', ') },
      { text: source },
    ]),
    empty: 'No policies.',
  });
  return EXIT_OK;
}
