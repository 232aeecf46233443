import t from 'tap';
import { onlyBehindKey } from '../../../../posture/check/ssh/authentication-methods.ts';

// sshd_config(5), AuthenticationMethods: alternatives by space, all methods of one list are needed.
const CASES: readonly (readonly [values: readonly string[], method: string, behind: boolean])[] = [
  [[], 'password', false],
  [['any'], 'password', false],
  [['publickey'], 'password', true],
  [['publickey,password'], 'password', true],
  [['publickey,password', 'publickey,keyboard-interactive'], 'keyboard-interactive', true],
  [['publickey,password publickey,keyboard-interactive:pam'], 'keyboard-interactive', true],
  [['publickey', 'password'], 'password', false],
  [['keyboard-interactive:bsdauth'], 'keyboard-interactive', false],
  [['gssapi-with-mic,password'], 'password', false],
];
for (const [values, method, behind] of CASES)
  t.equal(onlyBehindKey(values, method), behind, `${JSON.stringify(values)} ${method}`);
