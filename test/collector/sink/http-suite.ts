import type { Test } from 'tap';
import type { HttpSinkOptions } from '../../../collector/sink/http-delivery.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { systemClock } from '../../../service/clock.ts';
import { sinkConformance } from './conformance.ts';
import type { SinkUnderTest } from './conformance.ts';
import { events, render } from './events.ts';
import { startHttpReceiver } from './http-receiver.ts';
import type { Answer, HttpTestReceiver, Received } from './http-receiver.ts';

/** What is in the file with the secret, unless a kind says otherwise. */
export const SECRET = 'ab12-very-secret';

/** One kind of sink over HTTP, and the protocol of its receiver, from the documentation of the product. */
export interface HttpSinkKind {
  readonly name: string;
  readonly create: (options: HttpSinkOptions) => Sink;
  /** The events of a request. */
  readonly eventsOf: (request: Received) => readonly OcsfEvent[];
  /** What the product answers if all is well. */
  readonly accept: (request: Received) => Answer;
  /** What a complaint about the content of a request leads to; absent: halves are sent. */
  readonly onContent?: 'retry';
  /** The content of the file with the secret; absent: {@link SECRET}. */
  readonly secretFile?: string;
  /** The answer to requests before the one with events, such as for a token, whatever the receiver does with events. */
  readonly preliminary?: (request: Received) => Answer | undefined;
}

/** Starts a receiver, and makes sinks to it. */
export async function startHttpKind(
  t: Test,
  kind: HttpSinkKind,
  deadlineMs = 5000,
): Promise<{ readonly receiver: HttpTestReceiver; readonly open: () => Sink }> {
  const started = await startHttpReceiver(t, kind.accept);
  const receiver: HttpTestReceiver = {
    ...started,
    answer: (give) => started.answer((request) => kind.preliminary?.(request) ?? give(request)),
  };
  const { url, caFile } = receiver;
  const options = {
    name: kind.name,
    receiver: { url, caFile, secretFile: receiver.secret(kind.secretFile ?? SECRET) },
    clock: systemClock(),
    deadlineMs,
    render,
  };
  return { receiver, open: () => kind.create(options) };
}

/** What every sink over HTTP promises: the conformance suite, and a receiver that misbehaves in every way. */
export function httpSinkSuite(t: Test, kind: HttpSinkKind): void {
  void t.test(`${kind.name}: the promises of every sink`, (t) =>
    sinkConformance(t, async (t): Promise<SinkUnderTest> => {
      const { receiver, open } = await startHttpKind(t, kind);
      let isAway = false;
      return {
        open,
        received: () => receiver.requests.flatMap(kind.eventsOf),
        interrupt: async () => {
          isAway = true;
          await receiver.stop();
        },
        restore: async () => {
          if (isAway) await receiver.start();
          isAway = false;
        },
      };
    }),
  );

  void t.test(`${kind.name}: a receiver that misbehaves loses nothing and learns no secret by an error`, async (t) => {
    const { receiver, open } = await startHttpKind(t, kind);
    const sink = open();
    t.teardown(() => sink.close());
    const batch = events(1, 4);
    const send = async (answer: Answer) => {
      receiver.answer(() => answer);
      const outcome = await sink.send(batch);
      t.notMatch(JSON.stringify(outcome), SECRET);
      return outcome;
    };
    for (const status of [301, 302, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504])
      t.match(await send({ status }), { outcome: 'retry', reason: new RegExp(String(status)) }, String(status));
    for (const status of [413, 415, 422])
      t.match(await send({ status }), { outcome: kind.onContent ?? 'split' }, String(status));
    t.match(await send({ status: 503, headers: { 'retry-after': '7' } }), { afterMs: 7000 });
    t.match(await send({ status: 429, headers: { 'retry-after': '999999999' } }), { afterMs: 600_000 }, 'not for ever');
    t.match(await send({ status: 429, headers: { 'retry-after': '9'.repeat(400) } }), { afterMs: 600_000 });
    const date = (fromNowMs: number) => new Date(Date.now() + fromNowMs).toUTCString();
    const dated = await send({ status: 503, headers: { 'retry-after': date(400_000) } });
    const waitMs = dated.outcome === 'retry' ? dated.afterMs : 0;
    t.ok(waitMs > 300_000 && waitMs <= 400_000, `a date: ${String(waitMs)} ms`);
    t.match(await send({ status: 503, headers: { 'retry-after': date(1e12) } }), { afterMs: 600_000 });
    for (const value of [date(-60_000), 'soon', '-5', '-1e9', '0', '', '1e3', 'NaN'])
      t.match(await send({ status: 503, headers: { 'retry-after': value } }), { afterMs: 1000 }, value);
    for (const misbehave of ['resets', 'cuts-answer', 'is-no-http'] as const)
      t.match(await send({ misbehave }), { outcome: 'retry' }, misbehave);
    t.match(await send({ status: 500, body: 'x'.repeat(5 * 1024 ** 2) }), { outcome: 'retry' }, 'an endless answer');
    receiver.answer((request) => ({ ...kind.accept(request), delayMs: 300 }));
    t.match(await sink.send(batch), { outcome: 'ok' }, 'a slow one is waited for');
    receiver.answer(kind.accept);
    t.match(await sink.send(batch), { outcome: 'ok' }, 'and then it is well');
  });

  void t.test(`${kind.name}: a receiver that never answers, or never ends its answer, is given up`, async (t) => {
    const { receiver, open } = await startHttpKind(t, kind, 300);
    const sink = open();
    t.teardown(() => sink.close());
    for (const misbehave of ['is-silent', 'never-ends'] as const) {
      receiver.answer(() => ({ misbehave }));
      t.match(await sink.send(events(1, 4)), { outcome: 'retry', reason: /./ }, misbehave);
    }
    receiver.answer(kind.accept);
    t.match(await sink.send(events(1, 4)), { outcome: 'ok' }, 'and then it is well');
  });

  void t.test(`${kind.name}: nothing is sent to a receiver that an unknown authority signed for`, async (t) => {
    const { receiver } = await startHttpKind(t, kind);
    const { url } = receiver;
    const secretFile = receiver.secret(kind.secretFile ?? SECRET);
    const sink = kind.create({
      name: kind.name,
      receiver: { url, caFile: 'system', secretFile },
      clock: systemClock(),
      render,
    });
    t.teardown(() => sink.close());
    t.match(await sink.send(events(1, 2)), { outcome: 'retry', reason: /CERT|SELF_SIGNED|UNABLE/ });
    t.equal(receiver.requests.length, 0);
    const without = kind.create({
      name: kind.name,
      receiver: { url, caFile: receiver.caFile, secretFile: `${secretFile}-none` },
      clock: systemClock(),
      render,
    });
    t.teardown(() => without.close());
    t.match(await without.send(events(1, 2)), { outcome: 'retry', reason: /secret-none/ }, 'never without its secret');
    t.equal(receiver.requests.length, 0);
  });
}
