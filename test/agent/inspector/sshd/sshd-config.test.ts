import * as fc from 'fast-check';
import t from 'tap';
import { assembleAlgorithms } from '../../../../agent/inspector/sshd/algorithms.ts';
import { isListener, parseSshdCommandLine } from '../../../../agent/inspector/sshd/command-line.ts';
import { expandGlob } from '../../../../agent/inspector/sshd/glob.ts';
import { implies, parseCondition } from '../../../../agent/inspector/sshd/match-condition.ts';
import type { Condition } from '../../../../agent/inspector/sshd/match-condition.ts';
import { parseSshdConfig, parseSshdLine, splitArguments } from '../../../../agent/inspector/sshd/sshd-config.ts';
import { parseNullTerminated } from '../../../../agent/inspector/proc/null-terminated.ts';
import { recordedText, SEED } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';

t.test('lines', (t) => {
  t.same(parseSshdLine('PermitRootLogin no'), { keyword: 'permitrootlogin', args: ['no'] });
  t.same(parseSshdLine('  permitrootlogin=no\r'), { keyword: 'permitrootlogin', args: ['no'] });
  t.same(parseSshdLine('Banner = "/etc/my banner" # why'), { keyword: 'banner', args: ['/etc/my banner'] });
  t.same(parseSshdLine('"UsePAM" yes'), { keyword: 'usepam', args: ['yes'] });
  t.same(parseSshdLine('ChallengeResponseAuthentication no'), {
    keyword: 'kbdinteractiveauthentication',
    args: ['no'],
  });
  for (const nothing of ['', '   ', '# PermitRootLogin yes', '\t#x']) t.equal(parseSshdLine(nothing), undefined);
  t.match(parseSshdLine('PermitRootLogin'), { problem: /no argument/ });
  t.match(parseSshdLine('Banner "open'), { problem: /quotation mark/ });
  t.same(splitArguments(String.raw`a "b c" 'd e' f\ g h\"i j#k #l m`), ['a', 'b c', 'd e', 'f g', 'h"i', 'j#k']);
  t.match(parseSshdConfig('UsePAM yes\nBanner "x\n'), { ok: false, line: 2 });
  t.end();
});

t.test('the command line of a running sshd', (t) => {
  const recorded = parseNullTerminated(recordedText('sshd/listener.cmdline'));
  t.ok(isListener(recorded));
  // Started as: sshd -D -p 2222 -o "PermitRootLogin no" -oMaxAuthTries=3
  t.same(parseSshdCommandLine(recorded), {
    configPath: '/etc/ssh/sshd_config',
    options: [
      { keyword: 'port', args: ['2222'] },
      { keyword: 'permitrootlogin', args: ['no'] },
      { keyword: 'maxauthtries', args: ['3'] },
    ],
  });
  t.match(parseSshdCommandLine(['/usr/sbin/sshd', '-Df', '/etc/ssh/other', '-o', 'Ciphers=aes256-ctr']), {
    configPath: '/etc/ssh/other',
    options: [{ keyword: 'ciphers', args: ['aes256-ctr'] }],
  });
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
  t.same(await expandGlob(host, '/nowhere/*'), []);
  t.same(await expandGlob(host, '/nowhere/x'), ['/nowhere/x']);
});

const condition = (text: string): Condition => {
  const parsed = parseCondition(splitArguments(text) ?? []);
  if (parsed === undefined) throw new Error(text);
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
  for (const wrong of ['', 'User', 'all User x', 'User x all'])
    t.equal(parseCondition(splitArguments(wrong) ?? []), undefined);
  const holds = (narrow: string, wide: string): boolean => implies(condition(narrow), condition(wide));
  t.ok(holds('User deploy', 'all'));
  t.ok(holds('User deploy', 'User *'));
  t.ok(holds('User deploy', 'User de*,!root'));
  t.ok(holds('User deploy Host a', 'User deploy'));
  t.notOk(holds('User deploy', 'User deploy Host a'));
  t.notOk(holds('User *', 'User deploy'));
  t.notOk(holds('User deploy,root', 'User deploy'));
  t.notOk(holds('all', 'User deploy'));
  t.ok(holds('Address 10.0.0.0/8', 'Address 10.0.0.0/8'));
  t.notOk(holds('Address 10.1.0.0/16', 'Address 10.0.0.0/8'), 'networks are not worked out: no claim');
  t.end();
});

t.test('lists of algorithms, sshd_config(5)', (t) => {
  const known = { all: ['a', 'b', 'c-cbc', 'd'], defaults: ['a', 'b'] };
  t.same(assembleAlgorithms(known, 'd,a'), ['d', 'a']);
  t.same(assembleAlgorithms(known, '+c-cbc,a'), ['a', 'b', 'c-cbc']);
  t.same(assembleAlgorithms(known, '-b*'), ['a']);
  t.same(assembleAlgorithms(known, '^b,d'), ['b', 'd', 'a']);
  t.same(assembleAlgorithms(known, '+*-cbc'), ['a', 'b', 'c-cbc']);
  t.same(assembleAlgorithms(known, 'newer@openssh.com'), ['newer@openssh.com']);
  t.end();
});

t.test('no text makes them throw', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (noise) => {
      parseSshdConfig(noise);
      parseCondition(splitArguments(noise) ?? []);
      parseSshdCommandLine([`sshd: ${noise} [listener]`]);
      parseSshdCommandLine(['sshd', noise, `-${noise}`]);
    }),
    SEED,
  );
  t.end();
});
