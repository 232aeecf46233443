import t from 'tap';
import type { KubernetesApi } from '../../kubernetes/api-client.ts';
import { keepLease } from '../../rollout/lease.ts';
import type { Logger } from '../../service/log.ts';
import { createFakeClock } from '../service/fake-clock.ts';

void t.test('a namespace that does not exist: once, with what to do', async (t) => {
  const clock = createFakeClock();
  const stop = new AbortController();
  const said: string[] = [];
  const log: Logger = {
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (fields) => void said.push(JSON.stringify(fields)),
  };
  const missing = {
    ok: false,
    code: 'notFound',
    reason: 'the API server answered HTTP 404: namespaces "plimsoll"',
  } as const;
  let tries = 0;
  const api: Pick<KubernetesApi, 'get' | 'create' | 'patch'> = {
    get: () => Promise.resolve(missing),
    patch: () => Promise.resolve(missing),
    create: () => {
      tries += 1;
      return Promise.resolve(missing);
    },
  };
  const lease = { namespace: 'plimsoll', name: 'plimsoll-rollout' };
  const held = keepLease({ api, lease, identity: 'a', clock, log, signal: stop.signal });
  for (let round = 0; round < 5; round += 1) {
    await new Promise(setImmediate);
    await clock.advance(5_000);
  }
  t.ok(tries >= 4, 'it is tried again');
  t.notOk(held.isHeld());
  t.equal(said.length, 1);
  t.match(said[0], /create the namespace plimsoll, or name another lease with --rollout-lease/);
  stop.abort();
  await held.over;
});
