import * as fc from 'fast-check';
import t from 'tap';
import { beyondDefault, capabilityNames, countBeyondDefault } from '../../../posture/check/capability.ts';

// The word that a default Docker container shows in /proc/PID/status; capsh --decode says these names.
t.strictSame(capabilityNames('00000000a80425fb'), [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SYS_CHROOT',
  'MKNOD',
  'AUDIT_WRITE',
  'SETFCAP',
]);
t.strictSame(beyondDefault(capabilityNames('00000000a80425fb') ?? []), []);
// capability.h: CAP_SYS_ADMIN 21, CAP_BPF 39, CAP_CHECKPOINT_RESTORE 40.
t.strictSame(capabilityNames('0000000000200000'), ['SYS_ADMIN']);
t.strictSame(capabilityNames('0000018000000000'), ['BPF', 'CHECKPOINT_RESTORE']);
t.strictSame(capabilityNames('0000020000000000'), ['CAP_41'], 'a bit that has no name yet');
t.equal(capabilityNames('000001ffffffffff')?.length, 41);
t.strictSame(capabilityNames('0000000000000000'), []);
for (const word of ['', 'xyz', '0x1', 'f'.repeat(33)]) t.equal(capabilityNames(word), undefined, `no word: ${word}`);
t.equal(countBeyondDefault(40), 27);
t.equal(countBeyondDefault(0), 0);

void t.test('never throws, and names as many as there are bits', (t) => {
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(capabilityNames(text) ?? [])));
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (bits) => {
      const ones = bits.toString(2).replaceAll('0', '').length;
      return capabilityNames(bits.toString(16).padStart(16, '0'))?.length === ones;
    }),
  );
  t.end();
});
