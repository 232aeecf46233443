import t from 'tap';
import { createFailureLimit, FAILURE_WINDOW_MS, MAX_FAILURES } from '../../../collector/api/failure-limit.ts';
import { secretMatcher } from '../../../collector/api/secret.ts';
import { createSessionTokens } from '../../../collector/api/session-token.ts';
import { createTokenGuard } from '../../../collector/api/token.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

const RIGHT = 'right-token-right-token-right-token';

function guarded() {
  const clock = createFakeClock();
  const sessions = createSessionTokens(RIGHT);
  const guard = createTokenGuard({
    isOperatorToken: secretMatcher(RIGHT),
    sessions,
    failures: createFailureLimit(),
    clock,
  });
  const outcomeOf = (authorization: string | undefined, address = 'a'): string =>
    guard.admit(authorization, address, 'signedIn').outcome;
  return { clock, sessions, guard, outcomeOf };
}

void t.test('failures are counted by address and removed after the window', async (t) => {
  const { clock, sessions, outcomeOf } = guarded();
  for (let count = 0; count < MAX_FAILURES; count += 1) t.equal(outcomeOf('Bearer wrong'), 'refused');
  await clock.advance(1_000);
  t.equal(outcomeOf('Bearer wrong'), 'limited');
  t.equal(outcomeOf('Bearer wrong', 'b'), 'refused', 'another address');
  t.equal(outcomeOf(undefined), 'refused', 'no token guesses nothing');
  t.equal(outcomeOf(`Bearer ${RIGHT}`), 'welcome');
  t.equal(outcomeOf(`Bearer ${sessions.issue(clock.now()).token}`), 'welcome', 'nor is a session locked out');
  clock.jump(3 * FAILURE_WINDOW_MS);
  t.equal(outcomeOf('Bearer wrong'), 'limited', 'setting the clock ahead does not help');
  await clock.advance(FAILURE_WINDOW_MS - 1_000);
  t.equal(outcomeOf('Bearer wrong'), 'refused', 'a new window');
});

void t.test('many addresses do not fill the memory, the oldest are removed', (t) => {
  const { outcomeOf } = guarded();
  for (let count = 0; count <= MAX_FAILURES; count += 1) outcomeOf('Bearer wrong', 'first');
  t.equal(outcomeOf('Bearer wrong', 'first'), 'limited');
  for (let address = 0; address < 1024; address += 1) outcomeOf('Bearer wrong', String(address));
  t.equal(outcomeOf('Bearer wrong', 'first'), 'refused');
  t.end();
});

void t.test('a session may do all but what the operator token itself is for', async (t) => {
  const { clock, sessions, guard } = guarded();
  const { token, expiresMs } = sessions.issue(clock.now());
  const admit = (scope: 'signedIn' | 'operator') => guard.admit(`Bearer ${token}`, 'a', scope);
  t.same(admit('signedIn'), { outcome: 'welcome', untilMs: expiresMs });
  t.same(admit('operator'), { outcome: 'refused', reason: 'operatorOnly' });
  t.same(guard.admit(`Bearer ${RIGHT}`, 'a', 'operator'), { outcome: 'welcome', untilMs: undefined });
  await clock.advance(expiresMs - clock.now() - 1);
  t.equal(admit('signedIn').outcome, 'welcome', 'to its last millisecond');
  await clock.advance(1);
  for (let count = 0; count <= MAX_FAILURES; count += 1)
    t.same(admit('signedIn'), { outcome: 'refused', reason: 'sessionOver' }, 'a session that is over guesses nothing');
});
