import t from 'tap';
import { createKafkaSink } from '../../../collector/sink/kafka.ts';
import { createNatsSink } from '../../../collector/sink/nats.ts';
import { testSink } from '../../../collector/sink/sink-test.ts';
import { createWebhookSink } from '../../../collector/sink/webhook.ts';
import { systemClock } from '../../../service/clock.ts';
import { events } from './events.ts';

const clock = systemClock();
const address = { host: '127.0.0.1', port: 1 };
const defect = new TypeError('nats.tokenAuthenticator is not a function');
const render = (): Promise<never> => Promise.reject(defect);
const loadTls = (): Promise<undefined> => Promise.resolve(undefined);
const none = { credentialsFile: 'none', name: 'test', clock, render };

void t.test('a defect of the program is reported as one, never as a cause at the receiver', async (t) => {
  for (const sink of [
    createNatsSink({ ...none, address, loadTls, subject: 'a', stream: '' }),
    createKafkaSink({ ...none, brokers: [address], loadTls, mechanism: 'PLAIN', topic: 'a' }),
    createWebhookSink({
      ...none,
      format: 'ocsf',
      receiver: { url: 'http://127.0.0.1:1', caFile: 'system', secretFile: 'none' },
    }),
  ]) {
    const outcome = await sink.send(events(1, 2));
    t.match(outcome, {
      outcome: 'retry',
      reason: /internal error, TypeError: nats\.tokenAuthenticator is not a function$/,
    });
    const { steps } = await testSink({
      name: 'test',
      address: { kind: 'local' },
      open: () => Promise.resolve(sink),
      clock,
    });
    t.match(steps, [{ step: 'send', ok: false, advice: /defect of Plimsoll/ }]);
  }
});
