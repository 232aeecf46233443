import t from 'tap';
import { redactJson } from '../../posture/redaction/redact.ts';
import { createLogger } from '../../service/pino-log.ts';
import type { LogOptions } from '../../service/pino-log.ts';

// Controls of ECMA-48, line separators, what reorders and what cannot be seen, by code point.
const UNSAFE =
  // oxlint-disable-next-line no-control-regex -- looking for them is the point
  /[\u0000-\u001f\u007f-\u009f\u2028\u202a-\u202e\u2066-\u2069\u200b\ufeff]|\u{e0041}/u;

async function linesOf(
  options: Pick<LogOptions, 'level' | 'format'>,
  fields: Record<string, unknown>,
): Promise<string> {
  const lines: string[] = [];
  const log = await createLogger({
    ...options,
    redact: redactJson,
    destination: { write: (line) => lines.push(line) },
  });
  log.debug({}, 'not wanted');
  log.warn(fields, 'something happened');
  return lines.join('');
}

void t.test('JSON: one object a line with level, time and message', async (t) => {
  const line = JSON.parse(await linesOf({ level: 'info', format: 'json' }, { node: 'web-3' })) as Record<
    string,
    unknown
  >;
  t.match(line, { level: 'warn', node: 'web-3', message: 'something happened' });
  t.match(line['time'], /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

void t.test(
  'secrets are removed at any depth, by the name of a field, on a command line and in an address',
  async (t) => {
    const secret = 'c0ffee-secret';
    const fields = {
      token: secret,
      key: secret,
      http: { authorization: `Bearer ${secret}` },
      proxy: { authorization: `Basic ${secret}` },
      nested: { error: new Error(`PASSWORD=${secret}`) },
      a: { b: [{ password: secret }] },
      command: ['mysql', '--password', secret],
      reason: `https://me:${secret}@example.org refused`,
      error: new Error(`cannot open https://me:${secret}@example.org`, { cause: new Error(`PASSWORD=${secret}`) }),
    };
    for (const format of ['json', 'text'] as const) {
      const line = await linesOf({ level: 'info', format }, fields);
      t.notMatch(line, secret, format);
      t.match(line, /\[redacted\]@example\.org refused/, 'the rest stays');
    }
  },
);

void t.test('an error keeps what it says, with its causes; only a defect has a stack', async (t) => {
  const cause = Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
  const error = new TypeError('a defect', { cause });
  const line = JSON.parse(await linesOf({ level: 'info', format: 'json' }, { error, nodeId: 'n1' })) as {
    error: { stack: string; cause: object };
  };
  t.match(line, { nodeId: 'n1', error: { name: 'TypeError', message: 'a defect' } });
  t.match(line.error.stack, /pino-log\.test\.ts/);
  t.strictSame(line.error.cause, { name: 'Error', message: 'EROFS: read-only file system', code: 'EROFS' });
});

void t.test('no control character gets through, in either format', async (t) => {
  const name = 'a\u001b[31m\u009b31m\u007f\u2028\r\n\u202e\u2066\u200b\ufeff\u{e0041}b';
  for (const format of ['json', 'text'] as const) {
    const line = await linesOf({ level: 'info', format }, { name });
    t.notMatch(line.trimEnd(), UNSAFE, format);
    t.equal(line.split('\n').length, 2, `one line: ${format}`);
  }
  const line = JSON.parse(await linesOf({ level: 'info', format: 'json' }, { name })) as { name: string };
  t.equal(line.name, name, 'and JSON still says what was meant');
});

void t.test('text is readable', async (t) => {
  const line = await linesOf({ level: 'info', format: 'text' }, { node: 'web 3', attempts: 2 });
  t.match(line, /^\S+Z WARN {2}something happened node="web 3" attempts=2\n$/);
});
