import {
  createdOperatorToken,
  DEFAULT_TOKEN_TTL_MS,
  MAX_TOKEN_NAME,
  MAX_TOKEN_TTL_MS,
  MIN_TOKEN_TTL_MS,
  operatorTokenList,
  revokedOperatorToken,
  ROLE_MEANINGS,
  ROLES,
  SCOPE_MEANINGS,
  SCOPES,
} from '../../api/access.ts';
import type { ApiClient } from '../../api/client.ts';
import { dateTime } from '../../api/format.ts';
import { safe } from '../../api/safe.ts';
import { parseDuration } from '../../service/duration.ts';
import { connect } from '../api/connect.ts';
import { showIdentity } from '../api/show-identity.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION } from '../command.ts';
import type { Context } from '../context.ts';
import { asTyped } from '../invocation.ts';
import { describeUnlistable, isTable, printDocument, printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';

const SEE = 'see: plimsoll token --help';

export const token = defineCommand({
  name: 'token',
  summary: 'create, list and revoke tokens of people and services',
  usage: [
    'token create --role ROLE [options]',
    'token list [options]',
    'token revoke ID… [options]',
    'token show [options]',
  ],
  description: [
    'An operator token has a role and expires. It is shown only when it is created: the collector keeps a hash of it. Store it in a file that only its user can read, and name the file with --token-file. The token in the token file of the collector has the role admin and is not listed.',
    `Roles: ${ROLES.map((role) => `${role} ${ROLE_MEANINGS[role]}`).join('; ')}.`,
    `Scopes restrict a token to parts of what its role allows: ${SCOPES.map((scope) => `${scope} (${SCOPE_MEANINGS[scope]})`).join(', ')}. Without --scope, a token has all of them.`,
    'A revoked token is refused at once, with all console sessions that were opened with it; their event streams end. show prints the identity that the collector sees for this token.',
  ],
  operands: { min: 1, max: 1_000, completes: 'tokenAction' },
  options: [
    OUTPUT_OPTION,
    { name: 'role', value: 'ROLE', choices: ROLES, summary: 'create: viewer, operator or admin' },
    { name: 'name', value: 'NAME', summary: 'create: who or what uses the token' },
    { name: 'ttl', value: 'DURATION', summary: 'create: lifetime of the token, from 1m to 366d (default: 30d)' },
    {
      name: 'scope',
      value: 'SCOPE',
      choices: SCOPES,
      repeated: true,
      summary: 'create: restrict the token to a scope',
    },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll token create --role viewer --name grafana > grafana.token', meaning: 'a token for reading' },
    {
      line: 'plimsoll token create --role operator --scope enroll --ttl 1d',
      meaning: 'only for join tokens, for a day',
    },
    { line: 'plimsoll findings --token-file grafana.token', meaning: 'use a token' },
    { line: 'plimsoll token revoke 4k2j9x01ab', meaning: 'revoke a token' },
  ],
  run: async (context) => {
    const { args, settings } = context;
    const [action, ...ids] = args.operands;
    const misplaced = action === 'create' ? undefined : ['role', 'name', 'ttl', 'scope'].find(args.has);
    if (misplaced !== undefined) return printError(context, `--${misplaced} is for: plimsoll token create`, SEE);
    const client = await connect(settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    if (action === 'create' && ids.length === 0) return create(client.value, context);
    if (action === 'list' && ids.length === 0) return list(client.value, context);
    if (action === 'show' && ids.length === 0) return showIdentity(client.value, context, 'token show');
    if (action === 'revoke' && ids.length > 0) return revokeAll(client.value, ids, context);
    return printError(context, `unknown action, or wrong arguments: ${JSON.stringify(args.operands.join(' '))}`, SEE);
  },
});

async function create(client: ApiClient, context: Context): Promise<number> {
  const { args, stdout, stderr } = context;
  const unlistable = describeUnlistable(context, 'token create');
  if (unlistable !== undefined) return printError(context, unlistable, SEE);
  const role = args.value('role');
  if (role === undefined) return printError(context, `--role is missing: one of ${ROLES.join(', ')}`, SEE);
  const ttl = args.value('ttl');
  const ttlMs = ttl === undefined ? DEFAULT_TOKEN_TTL_MS : parseDuration(ttl);
  if (ttlMs === undefined || ttlMs < MIN_TOKEN_TTL_MS || ttlMs > MAX_TOKEN_TTL_MS)
    return printError(context, `--ttl: ${JSON.stringify(ttl)} is not a duration from 1m to 366d`, SEE);
  const name = args.value('name') ?? '';
  if (name.length > MAX_TOKEN_NAME)
    return printError(context, `--name has more than ${String(MAX_TOKEN_NAME)} characters`, SEE);
  const scopes = args.values('scope');
  const answer = await client.post('/v1/tokens', createdOperatorToken, { body: { role, name, ttlMs, scopes } });
  if (!answer.ok) return printFailure(context, answer.problem);
  if (!isTable(context)) {
    await printDocument(context, answer.value);
    return EXIT_OK;
  }
  await stdout.write(`${answer.value.token}\n`);
  // Apart from the token, so that a file gets nothing else.
  const { id, expiresMs } = answer.value;
  await stderr.write(`role ${role}, until ${dateTime(expiresMs)}; id ${id}. It cannot be shown again.\n`);
  return EXIT_OK;
}

async function list(client: ApiClient, context: Context): Promise<number> {
  const answer = await client.get('/v1/tokens', operatorTokenList);
  if (!answer.ok) return printFailure(context, answer.problem);
  const nowMs = context.clock.now();
  const items = answer.value.tokens.toSorted((one, other) => other.createdMs - one.createdMs);
  await printListing(context, {
    document: { tokens: items },
    items,
    names: items.map(({ id }) => id),
    columns: [
      { title: 'ID' },
      { title: 'NAME', min: 8 },
      { title: 'ROLE' },
      { title: 'SCOPES', min: 6 },
      { title: 'EXPIRES', min: 19 },
      { title: 'CREATED', wide: true },
      { title: 'BY', wide: true },
    ],
    rows: items.map(({ id, name, role, scopes, createdMs, expiresMs, createdBy }) => [
      { text: id },
      { text: name },
      { text: role },
      { text: scopes.length === 0 ? 'all' : scopes.join(',') },
      { text: nowMs >= expiresMs ? 'expired' : dateTime(expiresMs) },
      { text: dateTime(createdMs) },
      { text: createdBy },
    ]),
    empty: asTyped('No operator tokens. Create one with: plimsoll token create --role viewer', context.invocation),
  });
  return EXIT_OK;
}

async function revokeAll(client: ApiClient, ids: readonly string[], context: Context): Promise<number> {
  for (const id of ids) {
    const answer = await client.delete(`/v1/tokens/${encodeURIComponent(id)}`, revokedOperatorToken);
    if (!answer.ok) return printFailure(context, answer.problem);
    const { name } = answer.value;
    await context.stdout.write(`${safe(id)} revoked${name === '' ? '' : ` (${safe(name)})`}\n`);
  }
  return EXIT_OK;
}
