import { render } from 'preact';
import { createApiClient } from '../api/client.ts';
import { wait } from '../api/wait.ts';
import { FAILURE_TEXTS } from './api/failure-texts.ts';
import { createSessionKeeper } from './api/session.ts';
import { App } from './app.tsx';
import { applyTheme, readTheme } from './theme.ts';
import './style.css';

/** Delay before a GET is retried after a lost connection. */
const REPEAT_MS = 300;

applyTheme(readTheme());
const session = createSessionKeeper(localStorage, () => Date.now());
const api = createApiClient({
  fetch: (path, init) => fetch(path, { ...init, cache: 'no-store', credentials: 'omit' }),
  // A browser breaks off its requests when the machine's interfaces change, as they do when a container starts.
  beforeRepeat: (signal) => wait(REPEAT_MS, signal),
  texts: FAILURE_TEXTS,
  token: () => {
    const state = session.state.get();
    return state.signedIn ? state.session.token : undefined;
  },
  onRefused: () => session.end('refused'),
});
addEventListener('storage', session.refresh);
// A page that slept for hours, and one that stays open over the end of its session.
document.addEventListener('visibilitychange', session.refresh);
setInterval(session.refresh, 30_000);

const root = document.getElementById('root');
if (root !== null) render(<App api={api} session={session} />, root);
