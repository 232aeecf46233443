import * as fc from 'fast-check';
import t from 'tap';
import { assembleAlgorithms } from '../../../../agent/inspector/sshd/algorithms.ts';
import { isListener, parseSshdCommandLine } from '../../../../agent/inspector/sshd/command-line.ts';
import { expandGlob } from '../../../../agent/inspector/sshd/glob.ts';
import { combinationsOf } from '../../../../agent/inspector/sshd/connections.ts';
import { parseCondition } from '../../../../agent/inspector/sshd/match-condition.ts';
import { parseProgram, UNKNOWN_PROGRAM } from '../../../../agent/inspector/sshd/release.ts';
import type { Condition } from '../../../../agent/inspector/sshd/match-condition.ts';
import { parseSshdConfig, parseSshdLine, splitArguments } from '../../../../agent/inspector/sshd/sshd-config.ts';
import { parseNullTerminated } from '../../../../agent/inspector/proc/null-terminated.ts';
import { recordedText, SEED } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';

const line = (text: string): unknown => {
  const parsed = parseSshdLine(text, 'words');
  return parsed !== undefined && 'args' in parsed ? { keyword: parsed.keyword, args: parsed.args } : parsed;
};

t.test('lines', (t) => {
  t.same(line('PermitRootLogin no'), { keyword: 'permitrootlogin', args: ['no'] });
  t.same(line('permitrootlogin=no\r'), { keyword: 'permitrootlogin', args: ['no'] });
  t.same(line('Banner = "/etc/my banner" # why'), { keyword: 'banner', args: ['/etc/my banner'] });
  t.same(line('"UsePAM" yes'), { keyword: 'usepam', args: ['yes'] });
  t.same(line('X11"Forwarding" yes'), { keyword: 'x11forwarding', args: ['yes'] });
  t.same(line('=UsePAM yes'), { keyword: 'usepam', args: ['yes'] });
  // The last has no closing quotation mark around its keyword: sshd ignores such a line.
  for (const nothing of ['', '   ', '# PermitRootLogin yes', '\t#x', '"PermitRootLogin yes'])
    t.equal(line(nothing), undefined, nothing);
  t.match(line('PermitRootLogin'), { problem: /without an argument/ });
  t.match(line('Banner "open'), { problem: /quotation mark/ });
  t.same(splitArguments(String.raw`a "b c" 'd e' f\ g h\"i j#k #l m`), ['a', 'b c', 'd e', 'f g', 'h"i', 'j#k']);
  t.match(parseSshdConfig(Buffer.from('UsePAM yes\nBanner "x\n'), 'words'), { ok: false, line: 2 });
  t.end();
});

t.test('before OpenSSH 8.7, a `#` ends the line wherever it is, and single quotes are letters', (t) => {
  t.match(parseSshdLine("Banner 'a b' c", 'delimiters'), { args: ["'a", "b'", 'c'] });
  t.match(parseSshdLine('AllowUsers "a b"=c', 'delimiters'), { args: ['a b'] });
  t.match(parseSshdConfig(Buffer.from('ForceCommand echo "a # b"\nMaxAuthTries 3 # c\n'), 'delimiters'), {
    directives: [{ rest: 'echo "a' }, { args: ['3'] }],
  });
  t.end();
});

t.test('what follows a NUL in a line is lost together with the end of the line', (t) => {
  const parse = (text: string): unknown => parseSshdConfig(Buffer.from(text), 'words');
  t.match(parse('# a\0b\nPermitRootLogin yes\nUsePAM no\n'), {
    ok: true,
    directives: [{ keyword: 'usepam', line: 2 }],
  });
  t.match(parse('UsePAM\0x\n no\n'), { ok: false, line: 1 }, 'UsePAMno');
  t.end();
});

t.test('the command line of a running sshd', (t) => {
  const recorded = parseNullTerminated(recordedText('sshd/listener.cmdline'));
  t.ok(isListener(recorded));
  // Started as: sshd -D -p 2222 -o "PermitRootLogin no" -oMaxAuthTries=3
  t.same(parseSshdCommandLine(recorded), {
    configPath: '/etc/ssh/sshd_config',
    options: [
      { keyword: 'port', args: ['2222'], rest: '2222' },
      { keyword: 'permitrootlogin', args: ['no'], rest: 'no' },
      { keyword: 'maxauthtries', args: ['3'], rest: '3' },
    ],
  });
  t.match(parseSshdCommandLine(['/usr/sbin/sshd', '-Df', '/etc/ssh/other', '-o', 'Ciphers=aes256-ctr']), {
    configPath: '/etc/ssh/other',
    options: [{ keyword: 'ciphers', args: ['aes256-ctr'] }],
  });
  // These come before the file as well, sshd(8).
  t.match(parseSshdCommandLine(['/usr/sbin/sshd', '-q', '-g', '600', '-D']).options, [
    { keyword: 'loglevel', args: ['QUIET'] },
    { keyword: 'logingracetime', args: ['600'] },
  ]);
  t.notOk(isListener(['sshd: deploy [priv]']));
  t.notOk(isListener(['/usr/sbin/sshd', '-i']));
  t.notOk(isListener([]));
  t.end();
});

t.test('glob(7)', async (t) => {
  const host = treeHost(t, {
    '/c/b.conf': '',
    '/c/a.conf': '',
    '/c/.h.conf': '',
    '/c/a.txt': '',
    '/d/x1/y': '',
    '/d/x2/y': '',
  });
  t.same(await expandGlob(host, '/c/*.conf'), ['/c/a.conf', '/c/b.conf']);
  t.same(await expandGlob(host, '/c/.*.conf'), ['/c/.h.conf']);
  t.same(await expandGlob(host, '/c/[!b]?conf'), ['/c/a.conf']);
  t.same(await expandGlob(host, '/c/[a-b].conf'), ['/c/a.conf', '/c/b.conf']);
  t.same(await expandGlob(host, '/d/x?/y'), ['/d/x1/y', '/d/x2/y']);
  t.same(await expandGlob(host, '/c/[[:alpha:]].conf'), ['/c/a.conf', '/c/b.conf']);
  t.same(await expandGlob(host, '/c/[^[:digit:]b].conf'), ['/c/a.conf']);
  t.same(await expandGlob(host, '/c/[]a].conf'), ['/c/a.conf']);
  t.same(await expandGlob(host, '/c/[.conf'), ['/c/[.conf'].slice(1), 'a bracket that is not closed');
  t.same(await expandGlob(host, '/d/x?/'), [], 'directories alone');
  t.same(await expandGlob(host, '/nowhere/*'), []);
  t.same(await expandGlob(host, '/nowhere/x'), ['/nowhere/x']);
});

const PROGRAM = { ...UNKNOWN_PROGRAM, release: 1000, version: 'OpenSSH_10.0p2 Debian-7' };

const condition = (text: string): Condition => {
  const parsed = parseCondition(splitArguments(text) ?? [], PROGRAM, new Map());
  if ('kind' in parsed) throw new Error(text);
  return parsed;
};

t.test('conditions', (t) => {
  t.same(
    [...condition('User deploy Address 10.0.0.0/8').criteria],
    [
      ['user', ['deploy']],
      ['address', ['10.0.0.0/8']],
    ],
  );
  t.same(
    [...condition('user=deploy invalid-user').criteria],
    [
      ['user', ['deploy']],
      ['invalid-user', []],
    ],
  );
  t.equal(condition('all').criteria.size, 0);
  t.notOk(condition('Version OpenSSH_10.*').isNever);
  t.match(condition('Version OpenSSH_9.*'), { isNever: true });
  for (const wrong of ['', 'User', 'all User x', 'User x all', 'Address 10.0.0.1/8', 'Adress 10.0.0.1', 'LocalPort x'])
    t.match(parseCondition(splitArguments(wrong) ?? [], PROGRAM, new Map()), { kind: 'refused' }, wrong);
  t.end();
});

/** The combinations of conditions that can hold together, as `ab` where the first and the second do. */
const combinations = (...texts: readonly string[]): readonly string[] =>
  (combinationsOf(texts.map(condition)) ?? [])
    .map((bits) =>
      texts.flatMap((_, index) => (((bits >> BigInt(index)) & 1n) === 1n ? ['abcdef'.charAt(index)] : [])).join(''),
    )
    .sort();

t.test('which conditions can hold together', (t) => {
  t.same(combinations('User deploy', 'Address 10.0.0.0/8'), ['', 'a', 'ab', 'b']);
  t.same(combinations('User deploy', 'User root'), ['', 'a', 'b'], 'a connection has one user');
  t.same(combinations('Group a', 'Group b'), ['', 'a', 'ab', 'b'], 'a user has several groups');
  t.same(combinations('Group a', 'Group *,!a'), ['', 'a', 'b'], 'a group that is excluded excludes the user');
  t.same(combinations('User *', 'User d*', 'User deploy'), ['a', 'ab', 'abc']);
  t.same(combinations('User a*', 'User *b'), ['', 'a', 'ab', 'b']);
  t.same(combinations('User *,!root', 'User root'), ['a', 'b']);
  t.same(combinations('Address 10.0.0.0/8', 'Address 10.1.0.0/16', 'Address 192.168.*'), ['', 'a', 'ab', 'c']);
  t.same(combinations('Address 10.0.0.0/8', 'Address 10.0.0.0/9,10.128.0.0/9'), ['', 'ab']);
  t.same(combinations('Address 10.*', 'Address 10.1.2.0/24'), ['', 'a', 'ab']);
  t.same(combinations('Address 10.?.0.1', 'Address 10.0.0.0/8'), ['', 'ab', 'b']);
  t.same(combinations('Address ::1', 'Address 0.0.0.0/0'), ['', 'a', 'b']);
  t.same(combinations('LocalPort 22', 'LocalPort 2222'), ['', 'a', 'b']);
  t.same(
    combinations('invalid-user', 'Group a', 'User x'),
    ['', 'a', 'ac', 'b', 'bc', 'c'],
    'no groups without a user',
  );
  t.same(combinations('Version OpenSSH_9*', 'User x'), ['', 'b']);
  t.same(combinations('Host *.EXAMPLE.com', 'Host a.example.com'), ['', 'a', 'ab'], 'hosts ignore case');
  const many = Array.from({ length: 20 }, (_, index) => `Group g${String(index)}`);
  t.equal(combinationsOf(many.map(condition)), undefined, 'too many');
  t.end();
});

t.test('lists of algorithms, sshd_config(5)', (t) => {
  const known = { all: ['a', 'b', 'c-cbc', 'd'], defaults: ['a', 'b'] };
  t.same(assembleAlgorithms(known, 'd,a'), ['d', 'a']);
  t.same(assembleAlgorithms(known, '+c-cbc,a'), ['a', 'b', 'c-cbc']);
  t.same(assembleAlgorithms(known, '-b*'), ['a']);
  t.same(assembleAlgorithms(known, '^b,d'), ['b', 'd', 'a']);
  t.same(assembleAlgorithms(known, '+*-cbc'), ['a', 'b', 'c-cbc']);
  t.same(assembleAlgorithms(known, 'newer@openssh.com'), undefined);
  t.same(assembleAlgorithms(known, '-*'), ['a', 'b'], 'nothing is left: the defaults');
  t.same(assembleAlgorithms(known, '*,!a'), undefined, 'no exclamation marks');
  t.end();
});

t.test('no text makes them throw', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (noise) => {
      parseSshdConfig(Buffer.from(noise), 'words');
      parseSshdConfig(Buffer.from(noise), 'delimiters');
      parseCondition(splitArguments(noise) ?? [], PROGRAM, undefined);
      parseProgram(Buffer.from(noise));
      parseSshdCommandLine([`sshd: ${noise} [listener]`]);
      parseSshdCommandLine(['sshd', noise, `-${noise}`]);
    }),
    SEED,
  );
  t.end();
});
