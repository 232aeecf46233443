import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { createKubernetesApi } from '../../../kubernetes/api-client.ts';
import { publishAuthority } from '../../../collector/kubernetes/publish-authority.ts';
import type { Logger } from '../../../service/log.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { startApiServer } from '../../kubernetes/api-server.ts';

const PATH = '/api/v1/namespaces/agents/configmaps/ca';

t.test('the CA is published, again after a failure, and again from time to time', async (t) => {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access, 2_000);
  t.teardown(api.close);
  const clock = createFakeClock();
  const stop = new AbortController();
  const lines: string[] = [];
  const note = (_fields: unknown, message: string): void => void lines.push(message);
  const log: Logger = { debug: note, info: note, warn: note, error: note };
  let authorities = 'first';
  const published = publishAuthority({
    api,
    configMap: { namespace: 'agents', name: 'ca' },
    authorities: () => authorities,
    clock,
    random: () => 0,
    log,
    signal: stop.signal,
  });
  /** Waits for requests and for what follows the last of them. */
  const requests = async (count: number): Promise<void> => {
    while (server.asked.length < count || clock.waiting() === 0) await setImmediate();
  };
  await requests(1);
  t.same(lines, ['the CA could not be published to Kubernetes'], 'the API server does not know the ConfigMap yet');
  server.responses.set(`PATCH ${PATH}`, { body: { kind: 'ConfigMap' } });
  await clock.advance(2_000);
  await requests(2);
  t.equal(lines.at(-1), 'the CA was published to Kubernetes');
  t.match(server.asked[1], { path: PATH, body: { data: { 'ca.crt': 'first' } } });
  authorities = 'first and second';
  await clock.advance(11 * 60_000);
  await requests(3);
  t.match(server.asked[2], { body: { data: { 'ca.crt': 'first and second' } } }, 'after a rotation');
  stop.abort();
  await published;
  t.equal(clock.waiting(), 0);
});
