import t from 'tap';
import { createTokenGuard, FAILURE_WINDOW_MS, MAX_FAILURES } from '../../../collector/api/token.ts';

const RIGHT = 'right-token-right-token-right-token';

void t.test('failures are counted by address and forgotten after the window', (t) => {
  const guard = createTokenGuard(RIGHT);
  const outcomeOf = (authorization: string | undefined, address: string, nowMs: number): string =>
    guard.admit(authorization, address, nowMs).outcome;
  for (let count = 0; count < MAX_FAILURES; count += 1) t.equal(outcomeOf('Bearer wrong', 'a', count), 'refused');
  t.equal(outcomeOf('Bearer wrong', 'a', 1_000), 'limited');
  t.equal(outcomeOf('Bearer wrong', 'b', 1_000), 'refused', 'another address');
  t.equal(outcomeOf(undefined, 'a', 1_000), 'refused', 'no token guesses nothing');
  t.equal(outcomeOf(`Bearer ${RIGHT}`, 'a', 1_000), 'welcome');
  t.equal(outcomeOf('Bearer wrong', 'a', FAILURE_WINDOW_MS), 'refused', 'a new window');
  t.end();
});

void t.test('many addresses do not fill the memory, the oldest are forgotten', (t) => {
  const guard = createTokenGuard(RIGHT);
  for (let count = 0; count <= MAX_FAILURES; count += 1) guard.admit('Bearer wrong', 'first', 0);
  t.equal(guard.admit('Bearer wrong', 'first', 0).outcome, 'limited');
  for (let address = 0; address < 1024; address += 1) guard.admit('Bearer wrong', String(address), 0);
  t.equal(guard.admit('Bearer wrong', 'first', 0).outcome, 'refused');
  t.end();
});
