import fc from 'fast-check';
import t from 'tap';
import { createResponseReader } from '../../../agent/runtime/http-response.ts';
import type { Progress } from '../../../agent/runtime/http-response.ts';

interface Read {
  readonly status: number | undefined;
  readonly body: string;
  readonly progress: Progress;
}

/** Reads bytes that come in pieces of these lengths (the last one again and again), and then the end if asked for. */
function read(bytes: string | Buffer, lengths: readonly number[] = [1 << 20], end = false): Read {
  let status: number | undefined;
  const parts: Buffer[] = [];
  const reader = createResponseReader({
    onHead: (told) => {
      status = told;
    },
    onBody: (part) => parts.push(Buffer.from(part)),
  });
  const whole = Buffer.from(bytes);
  let progress: Progress = { state: 'reading' };
  for (let at = 0, turn = 0; at < whole.length; turn += 1) {
    const length = lengths[Math.min(turn, lengths.length - 1)] ?? 1;
    progress = reader.push(whole.subarray(at, at + length));
    at += length;
  }
  if (end) progress = reader.end();
  return { status, body: Buffer.concat(parts).toString('utf8'), progress };
}

const OVER: Progress = { state: 'over', reusable: true };
const LAST: Progress = { state: 'over', reusable: false };

void t.test('how long a body is (RFC 9112, section 6.3)', (t) => {
  const cases: readonly (readonly [string, Read])[] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab', { status: 200, body: 'ab', progress: OVER }],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', { status: 200, body: '', progress: OVER }],
    ['HTTP/1.1 204 No Content\r\n\r\n', { status: 204, body: '', progress: OVER }],
    // The example of section 7.1 in the form that engines send, and one with extensions and a trailer.
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\nA\r\n0123456789\r\n0\r\n\r\n',
      { status: 200, body: 'Wiki0123456789', progress: OVER },
    ],
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;name=value\r\nab\r\n0\r\nExpires: never\r\n\r\n',
      { status: 200, body: 'ab', progress: OVER },
    ],
    // Chunks count where both are given.
    [
      'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
      { status: 200, body: 'a', progress: OVER },
    ],
    ['HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na', { status: 200, body: 'a', progress: LAST }],
    ['HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na', { status: 200, body: 'a', progress: LAST }],
    [
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404\r\nContent-Length: 0\r\n\r\n',
      { status: 404, body: '', progress: OVER },
    ],
    // More than was asked for: the next answer would be this one.
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n', { status: 200, body: 'a', progress: LAST }],
  ];
  for (const [bytes, expected] of cases)
    for (const lengths of [[1 << 20], [1], [7]])
      t.same(read(bytes, lengths).body, expected.body, JSON.stringify(bytes));
  for (const [bytes, expected] of cases) t.same(read(bytes), expected, JSON.stringify(bytes));
  t.same(read('HTTP/1.1 200 OK\r\n\r\nto the end', [3], true), { status: 200, body: 'to the end', progress: LAST });
  t.end();
});

void t.test('what is no response', (t) => {
  const cases: readonly string[] = [
    'SSH-2.0-OpenSSH_9.9\r\n',
    'HTTP/2 200\r\n',
    'HTTP/1.1 20 OK\r\n',
    'HTTP/1.1 200 OK\r\nno colon\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n',
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(2000)}\r\n`,
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`,
    'HTTP/1.1 100 Continue\r\n\r\n'.repeat(5000),
  ];
  for (const bytes of cases) t.equal(read(bytes).progress.state, 'broken', JSON.stringify(bytes.slice(0, 60)));
  for (const cut of ['', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na'])
    t.equal(read(cut, [1 << 20], true).progress.state, 'broken', 'cut off');
  t.end();
});

void t.test('a response is the same however it is cut', (t) => {
  const chunks = fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }), { maxLength: 6 });
  fc.assert(
    fc.property(chunks, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (texts, lengths) => {
      const body = texts.join('');
      const sized = `HTTP/1.1 200 OK\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`;
      const coded = texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('');
      const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${coded}0\r\n\r\n`;
      for (const bytes of [sized, chunked]) t.same(read(bytes, lengths), { status: 200, body, progress: OVER });
    }),
    { numRuns: 50 },
  );
  t.end();
});

void t.test('no bytes make it throw, and no body goes beyond what came', (t) => {
  const heads = fc.constantFrom('', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  fc.assert(
    fc.property(heads, fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (head, noise, length) => {
      const bytes = Buffer.concat([Buffer.from(head), noise]);
      return Buffer.byteLength(read(bytes, [length], true).body) <= bytes.length * 3;
    }),
  );
  t.end();
});

void t.test('after a restart the next response is read like a first', (t) => {
  const responses = [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n0\r\n\r\n',
    'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno',
    'HTTP/1.0 200 OK\r\n\r\nuntil the end',
    'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na',
  ];
  let heard: string[] = [];
  const reader = createResponseReader({
    onHead: (status) => void heard.push(String(status)),
    onBody: (part) => void heard.push(part.toString()),
  });
  for (const response of responses) {
    heard = [];
    reader.restart();
    const pushed = reader.push(Buffer.from(response));
    const progress = pushed.state === 'reading' ? reader.end() : pushed;
    const alone = read(response, undefined, pushed.state === 'reading');
    t.same(progress, alone.progress);
    t.equal(heard.join(' ').trim(), `${String(alone.status)} ${alone.body}`.trim());
  }
  t.end();
});
