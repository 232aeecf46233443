import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { safe } from '../../api/safe.ts';
import { count } from '../../api/format.ts';
import { clip, safeLines } from '../text/long-text.ts';

/** Text from a node, a container or a file, in one line: escapes are visible, its direction stays its own. */
export function UntrustedText({ text }: { readonly text: string }): JSX.Element {
  return <bdi class="outside">{safe(text)}</bdi>;
}

/** Characters of a long text that are shown at first. */
const FIRST_CHARACTERS = 600;

/** Text from outside as code. It wraps; of a long one the start is shown, and the rest on demand. */
export function UntrustedCode({ text }: { readonly text: string }): JSX.Element {
  const [isWhole, setWhole] = useState(false);
  const start = isWhole ? undefined : clip(text, FIRST_CHARACTERS);
  return (
    <span class="outside-code">
      <code>
        <bdi>{safe(start ?? text)}</bdi>
        {start === undefined ? null : '…'}
      </code>
      {start === undefined ? null : (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          Show all {count(text.length)} characters
        </button>
      )}
    </span>
  );
}

/** Text of several lines from outside, such as a JSON value. */
export function UntrustedLines({ text }: { readonly text: string }): JSX.Element {
  const [isWhole, setWhole] = useState(false);
  const start = isWhole ? undefined : clip(text, FIRST_CHARACTERS * 8);
  return (
    <div class="outside-lines">
      <pre tabIndex={0} role="region" aria-label="Value">
        <bdi>{safeLines(start ?? text)}</bdi>
        {start === undefined ? null : '…'}
      </pre>
      {start === undefined ? null : (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          Show all {count(text.length)} characters
        </button>
      )}
    </div>
  );
}
