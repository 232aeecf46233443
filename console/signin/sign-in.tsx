import type { JSX, TargetedSubmitEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConsoleSession } from '../../api/sign-in.ts';
import type { ApiClient } from '../../api/client.ts';
import { signIn } from '../api/session.ts';
import type { SignedOutReason } from '../api/session.ts';
import { BrandMark } from '../part/brand-mark.tsx';

const REASONS = Object.freeze({
  never: '',
  left: 'You signed out.',
  expired: 'Your session has ended: it lasts twelve hours.',
  refused: 'Your session has ended: the collector does not accept it any more.',
} satisfies Record<SignedOutReason, string>);

/** Where a code from a link is traded for a session, or a person pastes the operator token. */
export function SignIn({
  api,
  reason,
  code,
  onSession,
  onCodeUsed,
}: {
  readonly api: ApiClient;
  readonly reason: SignedOutReason;
  readonly code: string | undefined;
  readonly onSession: (session: ConsoleSession) => void;
  readonly onCodeUsed: () => void;
}): JSX.Element {
  const [message, setMessage] = useState('');
  const [isBusy, setBusy] = useState(code !== undefined);
  const input = useRef<HTMLInputElement>(null);
  const trade = async (proof: { readonly code: string } | { readonly token: string }): Promise<void> => {
    setBusy(true);
    setMessage('');
    const answer = await signIn(api, proof);
    setBusy(false);
    if (answer.ok) return onSession(answer.session);
    onCodeUsed();
    setMessage(answer.message);
    input.current?.focus();
  };
  useEffect(() => {
    document.title = 'Sign in · Plimsoll';
    if (code === undefined) return;
    // The code must not stay in the address, the history or a bookmark.
    history.replaceState(null, '', '#/');
    void trade({ code });
  }, [code]);
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const token = input.current?.value.trim() ?? '';
    if (token === '') return setMessage('Paste an operator token first.');
    void trade({ token });
  };
  return (
    <main class="sign-in">
      <div class="sign-in-box">
        <div class="sign-in-brand">
          <BrandMark size={56} />
          <h1>Plimsoll</h1>
          <p>The effective security posture of your nodes.</p>
        </div>
        {message === '' && reason !== 'never' ? <p class="note note-empty">{REASONS[reason]}</p> : null}
        <form onSubmit={submit}>
          <label for="token">Operator token</label>
          <input
            id="token"
            ref={input}
            type="password"
            autocomplete="off"
            spellcheck={false}
            maxLength={12288}
            aria-describedby="token-hint sign-in-message"
            aria-invalid={message !== ''}
          />
          <p id="sign-in-message" class="form-message" role="alert">
            {message}
          </p>
          <button type="submit" class="button button-primary" disabled={isBusy}>
            {isBusy ? 'Signing in …' : 'Sign in'}
          </button>
        </form>
        <p id="token-hint" class="hint">
          Or open the link that <code>plimsoll console</code> prints: it signs you in once, without the token. A token
          comes from <code>plimsoll token create</code> or the file that <code>plimsoll config</code> names, and stays
          out of this browser: only a session of at most twelve hours with its rights is kept.
        </p>
      </div>
    </main>
  );
}
