import * as fc from 'fast-check';
import t from 'tap';
import { parseProcStatus } from '../../../../agent/inspector/proc/proc-status.ts';
import { recordedText, SEED } from '../../../fixture/inspector/read.ts';

const status = (variant: string): ReturnType<typeof parseProcStatus> =>
  parseProcStatus(recordedText(`proc/${variant}/status`));

t.test('the status of recorded containers', (t) => {
  // Expected words were read by eye from the recorded files; capability words: `capsh --decode`.
  t.match(status('default'), {
    name: 'sleep',
    isDead: false,
    effectiveUid: 0,
    pidNamespaces: 2,
    threads: 1,
    capabilities: { effective: '00000000a80425fb', bounding: '00000000a80425fb', ambient: '0000000000000000' },
    noNewPrivs: false,
    seccomp: 2,
    filters: 1,
    hasNoMemory: false,
  });
  t.match(status('privileged'), { seccomp: 0, filters: 0, capabilities: { effective: '000001fffeffffff' } });
  t.match(status('seccomp-unconfined'), { seccomp: 0, filters: 0, capabilities: { effective: '00000000a80425fb' } });
  t.match(status('capabilities'), { noNewPrivs: true, capabilities: { bounding: '00000000a80435fa' } });
  t.match(status('host-namespaces'), { pidNamespaces: 1 });
  t.match(status('read-only'), { effectiveUid: 1000, capabilities: { effective: '0000000000000000' } });
  t.end();
});

t.test('a process cannot write a line by its name', (t) => {
  // The file is of a process whose comm is `a`, newline, `Seccomp:`, tab, `2`.
  const parsed = status('named-like-a-line');
  t.equal(parsed?.name, String.raw`a\nSeccomp:` + '\t2');
  t.equal(parsed?.seccomp, 2, 'its own container has the default profile');
  const unconfined = recordedText('proc/named-like-a-line/status').replace('\nSeccomp:\t2', '\nSeccomp:\t0');
  t.equal(parseProcStatus(unconfined)?.seccomp, 0);
  t.end();
});

t.test('kernels that say less', (t) => {
  const without = (...names: readonly string[]): string =>
    recordedText('proc/default/status')
      .split('\n')
      .filter((line) => !names.some((name) => line.startsWith(`${name}:`)))
      .join('\n');
  t.equal(parseProcStatus(without('Seccomp', 'Seccomp_filters'))?.seccomp, undefined);
  t.equal(parseProcStatus(without('Seccomp_filters'))?.filters, -1);
  t.equal(parseProcStatus(without('NoNewPrivs'))?.noNewPrivs, undefined);
  t.equal(parseProcStatus(without('NoNewPrivs'))?.seccomp, 2);
  t.equal(parseProcStatus(without('CapAmb'))?.capabilities.ambient, '0000000000000000');
  t.equal(parseProcStatus(without('NSpid'))?.pidNamespaces, 0);
  t.equal(parseProcStatus(without('CapEff')), undefined);
  t.equal(parseProcStatus(''), undefined);
  t.end();
});

t.test('zombies and kernel threads', (t) => {
  const text = recordedText('proc/default/status');
  t.equal(parseProcStatus(text.replace('S (sleeping)', 'Z (zombie)'))?.isDead, true);
  t.equal(parseProcStatus(text.replaceAll(/^Vm.*\n/gm, ''))?.hasNoMemory, true);
  t.end();
});

t.test('no input makes it throw', (t) => {
  const real = recordedText('proc/default/status');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.nat(real.length), (noise, at) => {
      parseProcStatus(noise);
      parseProcStatus(real.slice(0, at) + noise + real.slice(at + noise.length));
    }),
    SEED,
  );
  t.end();
});
