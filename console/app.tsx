import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiClient } from '../api/client.ts';
import type { SessionKeeper } from './api/session.ts';
import { useCell } from './hook/use-cell.ts';
import { readSignInCode } from './route.ts';
import { SignedIn } from './shell/signed-in.tsx';
import { SignIn } from './signin/sign-in.tsx';

/** The page: signing in, or what a signed-in person sees. */
export function App({ api, session }: { readonly api: ApiClient; readonly session: SessionKeeper }): JSX.Element {
  const state = useCell(session.state);
  const [code, setCode] = useState(() => readSignInCode(location.hash));
  useEffect(() => {
    // A link that is opened in a tab that shows the page already.
    const read = (): void => {
      const next = readSignInCode(location.hash);
      if (next !== undefined) setCode(next);
    };
    addEventListener('hashchange', read);
    return () => removeEventListener('hashchange', read);
  }, []);
  if (state.signedIn && code === undefined) return <SignedIn key={state.session.token} api={api} session={session} />;
  return (
    <SignIn
      api={api}
      reason={state.signedIn ? 'never' : state.reason}
      code={code}
      onSession={(next) => {
        setCode(undefined);
        session.begin(next);
      }}
      onCodeUsed={() => setCode(undefined)}
    />
  );
}
