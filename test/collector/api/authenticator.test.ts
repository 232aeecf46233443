import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createAuthenticator } from '../../../collector/api/authenticator.ts';
import { CALL_BURST, CALLS_PER_SECOND, createCallLimit } from '../../../collector/api/call-limit.ts';
import { createFailureLimit, FAILURE_WINDOW_MS, MAX_FAILURES } from '../../../collector/api/failure-limit.ts';
import { secretMatcher } from '../../../collector/api/secret.ts';
import { createSessionTokens } from '../../../collector/api/session-token.ts';
import { MAX_OPERATOR_TOKENS, openOperatorTokens } from '../../../collector/operator-tokens.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

const RIGHT = 'right-token-right-token-right-token';
const HOUR_MS = 3_600_000;

async function createGuard(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-tokens-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'operator-tokens.json');
  const clock = createFakeClock();
  const sessions = createSessionTokens(RIGHT);
  const tokens = await openOperatorTokens(path, clock);
  const isFileToken = secretMatcher(RIGHT);
  const authenticator = createAuthenticator({
    isFileToken,
    tokens,
    oidc: undefined,
    sessions,
    failures: createFailureLimit(),
    clock,
  });
  const outcomeOf = async (authorization: string | undefined, address = 'a') =>
    (await authenticator.authenticate(authorization, address)).outcome;
  const create = async (ttlMs = HOUR_MS) => {
    const created = await tokens.create({ name: 'ci', role: 'operator', scopes: ['query'], ttlMs, createdBy: 'x' });
    if (created === undefined) throw new Error('no room');
    return created;
  };
  return { path, clock, sessions, tokens, authenticator, outcomeOf, create };
}

void t.test('failures are counted by address and removed after the window', async (t) => {
  const { clock, sessions, outcomeOf } = await createGuard(t);
  for (let count = 0; count < MAX_FAILURES; count += 1) t.equal(await outcomeOf('Bearer wrong'), 'refused');
  await clock.advance(1_000);
  t.equal(await outcomeOf('Bearer wrong'), 'limited');
  t.equal(await outcomeOf('Bearer wrong', 'b'), 'refused', 'another address');
  t.equal(await outcomeOf(undefined), 'refused', 'no token guesses nothing');
  t.equal(await outcomeOf(`Bearer ${RIGHT}`), 'known');
  const session = sessions.issue({ kind: 'token', id: 'token-file' }, clock.now() + HOUR_MS);
  t.equal(await outcomeOf(`Bearer ${session.token}`), 'known', 'nor is a session locked out');
  clock.jump(3 * FAILURE_WINDOW_MS);
  t.equal(await outcomeOf('Bearer wrong'), 'limited', 'setting the clock ahead does not help');
  await clock.advance(FAILURE_WINDOW_MS - 1_000);
  t.equal(await outcomeOf('Bearer wrong'), 'refused', 'a new window');
});

void t.test('many addresses do not fill the memory, the oldest are removed', async (t) => {
  const { outcomeOf } = await createGuard(t);
  for (let count = 0; count <= MAX_FAILURES; count += 1) await outcomeOf('Bearer wrong', 'first');
  t.equal(await outcomeOf('Bearer wrong', 'first'), 'limited');
  for (let address = 0; address < 1024; address += 1) await outcomeOf('Bearer wrong', String(address));
  t.equal(await outcomeOf('Bearer wrong', 'first'), 'refused');
});

void t.test('an operator token is good until it expires or is revoked, and so are its sessions', async (t) => {
  const { clock, sessions, tokens, authenticator, create } = await createGuard(t);
  const { token, text } = await create();
  t.match(text, new RegExp(`^plo\\.${token.id}\\.[\\w-]{43}$`), '256 random bits');
  const session = `Bearer ${sessions.issue({ kind: 'token', id: token.id }, clock.now() + 12 * HOUR_MS).token}`;
  const expected = { kind: 'token', id: token.id, name: 'ci', role: 'operator', scopes: ['query'] };
  t.match(await authenticator.authenticate(`Bearer ${text}`, 'a'), {
    outcome: 'known',
    principal: { ...expected, isSession: false, expiresMs: token.expiresMs },
  });
  t.match(await authenticator.authenticate(session, 'a'), { principal: { ...expected, isSession: true } });
  const other = text.endsWith('A') ? 'B' : 'A';
  for (const wrong of [
    text.slice(0, -1) + other,
    `plo.${token.id}.${token.hash.slice(0, 43)}`,
    `plo.${'0'.repeat(10)}.${text.slice(-43)}`,
  ])
    t.match(await authenticator.authenticate(`Bearer ${wrong}`, 'a'), { outcome: 'refused', reason: 'wrongToken' });
  await clock.advance(HOUR_MS - 1);
  t.equal((await authenticator.authenticate(`Bearer ${text}`, 'a')).outcome, 'known', 'to its last millisecond');
  await clock.advance(1);
  t.match(await authenticator.authenticate(`Bearer ${text}`, 'a'), { outcome: 'refused', reason: 'tokenExpired' });
  t.match(await authenticator.authenticate(session, 'a'), { outcome: 'refused', reason: 'sessionOver' });
  const second = await create();
  await tokens.revoke(second.token.id);
  t.match(await authenticator.authenticate(`Bearer ${second.text}`, 'a'), { outcome: 'refused', reason: 'wrongToken' });
  t.equal(await tokens.revoke(second.token.id), undefined, 'once');
});

void t.test('tokens are hashed at rest, private, bounded in number, and survive a restart', async (t) => {
  const { path, clock, tokens, create } = await createGuard(t);
  const { token, text } = await create();
  const kept = readFileSync(path, 'utf8');
  t.notOk(kept.includes(text.slice(-43)));
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal((await openOperatorTokens(path, clock)).match(text)?.id, token.id);
  const filled = JSON.parse(kept) as object[];
  for (let count = 1; count < MAX_OPERATOR_TOKENS - 1; count += 1)
    filled.push({ ...token, id: `filler${String(count).padStart(4, '0')}` });
  writeFileSync(path, JSON.stringify(filled), { mode: 0o600 });
  const full = await openOperatorTokens(path, clock);
  const request = { name: '', role: 'viewer', scopes: [], ttlMs: HOUR_MS, createdBy: '' } as const;
  t.ok(await full.create(request));
  t.equal(await full.create(request), undefined);
  await clock.advance(HOUR_MS);
  t.ok(await full.create(request), 'expired ones make room');
  t.ok(full.all().length <= MAX_OPERATOR_TOKENS);
  t.equal(tokens.all().length, 1);
});

void t.test('calls are limited by caller: a burst, then a rate', (t) => {
  const calls = createCallLimit();
  for (let count = 0; count < CALL_BURST; count += 1) t.equal(calls.take('a', 0), 0);
  const waitMs = calls.take('a', 0);
  t.equal(waitMs, 1000 / CALLS_PER_SECOND);
  t.equal(calls.take('b', 0), 0, 'another caller');
  t.equal(calls.take('a', waitMs), 0);
  t.ok(calls.take('a', waitMs) > 0);
  let passed = 0;
  for (let nowMs = 1000; nowMs < 11_000; nowMs += 1) if (calls.take('a', nowMs) === 0) passed += 1;
  t.ok(passed <= 11 * CALLS_PER_SECOND && passed >= 10 * CALLS_PER_SECOND, `${String(passed)} in 10 s`);
  for (let caller = 0; caller < 5000; caller += 1) calls.take(String(caller), 11_000);
  t.equal(calls.take('a', 11_000), 0, 'callers are bounded: the oldest is forgotten');
  t.end();
});

t.test('one host with many IPv6 addresses has one count of failures', (t) => {
  const failures = createFailureLimit();
  const outcomes = Array.from({ length: MAX_FAILURES + 1 }, (_, index) =>
    failures.note(`2001:db8:1:2::${index.toString(16)}`, 0),
  );
  t.equal(outcomes.at(-1)?.outcome, 'limited');
  t.equal(failures.note('2001:db8:1:3::1', 0).outcome, 'refused');
  t.end();
});
