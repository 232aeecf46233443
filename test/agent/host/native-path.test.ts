import { assert, property, uint8Array } from 'fast-check';
import t from 'tap';
import { nameFromBytes, pathToNative } from '../../../agent/host/native-path.ts';

const bytesOf = (path: string): Buffer => {
  const native = pathToNative(path);
  return typeof native === 'string' ? Buffer.from(native) : native;
};

void t.test('known names', (t) => {
  // PEP 383 gives the pairs: an undecodable byte 0xNN becomes U+DCNN.
  t.equal(nameFromBytes(Buffer.from('ünï 😀')), 'ünï 😀');
  t.equal(nameFromBytes(Buffer.of(0x66, 0xff, 0x80)), 'f\udcff\udc80');
  t.equal(nameFromBytes(Buffer.of(0xc3)), '\udcc3', 'a cut sequence');
  t.equal(nameFromBytes(Buffer.of(0xed, 0xb3, 0xbf)), '\udced\udcb3\udcbf', 'an encoded surrogate is not UTF-8');
  t.equal(nameFromBytes(Buffer.of(0xc0, 0xaf)), '\udcc0\udcaf', 'an overlong slash stays no slash');
  t.equal(pathToNative('/etc/plain'), '/etc/plain');
  t.strictSame(bytesOf('/😀\udcff'), Buffer.concat([Buffer.from('/😀'), Buffer.of(0xff)]));
  t.end();
});

void t.test('any name comes back as the bytes that it was', (t) => {
  assert(
    property(uint8Array({ maxLength: 64 }), (bytes) => {
      const name = Buffer.from(bytes);
      return bytesOf(nameFromBytes(name)).equals(name);
    }),
  );
  t.end();
});
