import * as fc from 'fast-check';
import t from 'tap';
import { parseDaemonJson } from '../../../../agent/inspector/docker/daemon-json.ts';
import { SEED } from '../../../fixture/inspector/read.ts';

const parse = (text: string): ReturnType<typeof parseDaemonJson> => parseDaemonJson(Buffer.from(text));

t.test('keys that are read, and nothing else', (t) => {
  t.same(
    parse('{"icc": false, "hosts": ["fd://"], "log-opts": {"splunk-token": "secret", "syslog-address": "udp://x"}}'),
    {
      ok: true,
      keys: { icc: false, hosts: ['fd://'], 'log-opts': { 'syslog-address': 'udp://x' } },
    },
  );
  t.same(parse('{"proxies": {"http-proxy": "http://u:secret@p"}, "cluster-store-opts": {"kv.key": "secret"}}'), {
    ok: true,
    keys: {},
  });
  t.end();
});

t.test('what dockerd takes for no setting', (t) => {
  t.same(parse(' \n'), { ok: true, keys: {} });
  t.same(parse('{}'), { ok: true, keys: {} });
  t.same(parse('\uFEFF{"icc": true}'), { ok: true, keys: { icc: true } });
  t.end();
});

t.test('what is wrong is said without quoting the file', (t) => {
  t.same(parse('{\n  "token": "s3cret",\n}'), {
    ok: false,
    problem: 'it is not JSON: unexpected character in line 3, column 1',
  });
  t.match(parse('{"a": "s3cret'), { ok: false });
  t.notMatch(JSON.stringify(parse('{"a": s3cret}')), /s3cret/);
  t.same(parse('[]'), { ok: false, problem: 'it is not a JSON object' });
  t.same(parseDaemonJson(Uint8Array.of(0x7b, 0xff, 0x7d)), { ok: false, problem: 'it is not UTF-8' });
  t.end();
});

t.test('a key that looks like a prototype', (t) => {
  const parsed = parse('{"__proto__": {"icc": true}, "constructor": 1}');
  t.same(parsed, { ok: true, keys: {} });
  t.end();
});

t.test('no bytes make it throw', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => Buffer.from(json)),
      ),
      (bytes) => {
        parseDaemonJson(bytes);
      },
    ),
    SEED,
  );
  t.end();
});
