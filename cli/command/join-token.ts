import { hostname } from 'node:os';
import { createdJoinToken, deletedJoinToken, joinTokenList } from '../../api/join-token.ts';
import type { JoinTokenInfo } from '../../api/join-token.ts';
import { formatAddress } from '../../service/config/kind.ts';
import { parseDuration } from '../../service/duration.ts';
import type { ApiClient } from '../../api/client.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { asTyped } from '../invocation.ts';
import { printError, printFailure } from '../print-error.ts';
import { describeUnlistable, isTable, printDocument, printListing } from '../output/listing.ts';
import { clockTime, dateTime } from '../../api/format.ts';

const SEE = 'see: plimsoll join-token --help';

export const joinToken = defineCommand({
  name: 'join-token',
  summary: 'create, list and delete the tokens for hosts that join',
  usage: ['join-token create [options]', 'join-token list [options]', 'join-token delete ID… [options]'],
  description: [
    'A join token enrols one host: its agent exchanges the token for a certificate at the enrolment address of the collector (setting enroll). A token works once, for an hour unless --ttl says otherwise, and is shown only when it is created: the collector keeps a hash of it.',
    'create prints the command to run on the new host. The hash of the CA in it is how the host recognises the collector. A host that the collector knows already, such as one that was installed again, needs a token that was created for it with --node.',
  ],
  operands: { min: 1, max: 1_000, completes: 'joinTokenAction' },
  options: [
    OUTPUT_OPTION,
    { name: 'node', value: 'ID', summary: 'create: the only node that may use the token, by its id' },
    { name: 'ttl', value: 'DURATION', summary: 'create: lifetime of the token, from 1m to 24h (default: 1h)' },
    {
      name: 'host',
      value: 'HOST',
      summary: 'create: name or address of the collector as hosts reach it (default: the name of this machine)',
    },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll join-token create', meaning: 'a token, and the command for the new host' },
    { line: 'plimsoll join-token create --host fleet.example.net --ttl 15m', meaning: 'with the name that hosts use' },
    { line: 'plimsoll join-token list', meaning: 'which tokens exist, and which host has used them' },
  ],
  run: async (context) => {
    const { args, settings } = context;
    const [action, ...ids] = args.operands;
    const client = await connect(settings, new AbortController().signal);
    if (action === 'create' && ids.length === 0)
      return client.ok ? create(client.value, context) : printFailure(context, client.problem);
    const misplaced = ['node', 'ttl', 'host'].find(args.has);
    if (misplaced !== undefined) return printError(context, `--${misplaced} is for: plimsoll join-token create`, SEE);
    if (!client.ok) return printFailure(context, client.problem);
    if (action === 'list' && ids.length === 0) return list(client.value, context);
    if (action === 'delete' && ids.length > 0) return deleteAll(client.value, ids, context);
    return printError(context, `unknown action, or wrong arguments: ${JSON.stringify(args.operands.join(' '))}`, SEE);
  },
});

async function create(client: ApiClient, context: Context): Promise<number> {
  const { args, stdout } = context;
  const unlistable = describeUnlistable(context, 'join-token create');
  if (unlistable !== undefined) return printError(context, unlistable, SEE);
  const ttlMs = parseDuration(args.value('ttl') ?? '1h');
  if (ttlMs === undefined || ttlMs < 60_000 || ttlMs > 86_400_000)
    return printError(context, `--ttl: ${JSON.stringify(args.value('ttl'))} is not a duration from 1m to 24h`, SEE);
  const host = args.value('host') ?? hostname();
  if (!/^[A-Za-z0-9._:-]{1,253}$/.test(host)) return printError(context, '--host: not a host name or address', SEE);
  const answer = await client.post('/v1/join-tokens', createdJoinToken, {
    body: { ttlMs, nodeId: args.value('node') ?? '' },
  });
  if (!answer.ok) return printFailure(context, answer.problem);
  const { token, caHash, expiresMs, listenPort, enrollPort } = answer.value;
  const command = [
    'plimsoll agent install',
    `--collector ${formatAddress({ host, port: listenPort })}`,
    `--join ${formatAddress({ host, port: enrollPort })}`,
    `--join-token ${token}`,
    `--join-ca-hash ${caHash}`,
  ];
  if (isTable(context))
    await stdout.write(
      `Run on the new host, as root:\n\n  ${command.join(' \\\n    ')}\n\n` +
        `This sets up services of systemd; without install, the agent runs in the foreground. ` +
        `The token works once, until ${clockTime(expiresMs)}.\n`,
    );
  else await printDocument(context, { token, caHash, expiresMs, command: command.join(' ') });
  return EXIT_OK;
}

async function list(client: ApiClient, context: Context): Promise<number> {
  const answer = await client.get('/v1/join-tokens', joinTokenList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const nowMs = context.clock.now();
  const items = answer.value.tokens.toSorted((one, other) => other.createdMs - one.createdMs);
  await printListing(context, {
    document: { tokens: items },
    items,
    names: items.map(({ id }) => id),
    columns: [
      { title: 'ID' },
      { title: 'CREATED', min: 19 },
      { title: 'EXPIRES', min: 19 },
      { title: 'STATE' },
      { title: 'NODE', min: 12 },
    ],
    rows: items.map((token) => [
      { text: token.id },
      { text: dateTime(token.createdMs) },
      { text: dateTime(token.expiresMs) },
      { text: stateOf(token, nowMs) },
      { text: token.usedBy === '' ? token.nodeId : token.usedBy },
    ]),
    empty: asTyped('No join tokens. Create one with: plimsoll join-token create', context.invocation),
  });
  return EXIT_OK;
}

function stateOf({ usedMs, expiresMs }: JoinTokenInfo, nowMs: number): string {
  if (usedMs > 0) return 'used';
  return nowMs >= expiresMs ? 'expired' : 'unused';
}

async function deleteAll(client: ApiClient, ids: readonly string[], context: Context): Promise<number> {
  for (const id of ids) {
    const answer = await client.delete(`/v1/join-tokens/${encodeURIComponent(id)}`, deletedJoinToken);
    if (!answer.ok) return printFailure(context, answer.problem);
    await context.stdout.write(`${answer.value.id} deleted\n`);
  }
  return EXIT_OK;
}
