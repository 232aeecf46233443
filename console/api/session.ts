import { parseJson } from '../../api/answer.ts';
import { consoleSession } from '../../api/sign-in.ts';
import type { ConsoleSession } from '../../api/sign-in.ts';
import { createCell } from '../cell.ts';
import type { Cell } from '../cell.ts';
import type { ApiClient, RequestFailure } from '../../api/client.ts';

/** Why nobody is signed in. */
export type SignedOutReason = 'never' | 'left' | 'expired' | 'refused';

/** Who is signed in. */
export type SessionState =
  | { readonly signedIn: true; readonly session: ConsoleSession }
  | { readonly signedIn: false; readonly reason: SignedOutReason };

/** The session of this browser, kept over reloads and shared by its tabs until it expires. */
export interface SessionKeeper {
  readonly state: Cell<SessionState>;
  readonly begin: (session: ConsoleSession) => void;
  readonly end: (reason: SignedOutReason) => void;
  /** Reads again what another tab may have changed, and ends a session that has expired. */
  readonly refresh: () => void;
}

/** Where the session is stored: localStorage, or a twin of it. It may throw: a browser can forbid it. */
export interface SessionStorage {
  readonly getItem: (key: string) => string | null;
  readonly setItem: (key: string, value: string) => void;
  readonly removeItem: (key: string) => void;
}

/** The key in the storage. */
export const SESSION_KEY = 'plimsoll.session';

/** Keeps the session in `storage`; where that is forbidden it lasts as long as the page. */
export function createSessionKeeper(storage: SessionStorage, now: () => number): SessionKeeper {
  const stored = readStored(storage, now());
  const state = createCell<SessionState>(stored ?? { signedIn: false, reason: 'never' });
  const end = (reason: SignedOutReason): void => {
    attempt(() => storage.removeItem(SESSION_KEY));
    state.set({ signedIn: false, reason });
  };
  return {
    state,
    begin: (session) => {
      attempt(() => storage.setItem(SESSION_KEY, JSON.stringify(session)));
      state.set({ signedIn: true, session });
    },
    end,
    refresh: () => {
      const known = state.get();
      const current = readStored(storage, now());
      if (known.signedIn && known.session.expiresMs <= now()) return end('expired');
      if (current?.signedIn === true && (!known.signedIn || known.session.token !== current.session.token))
        return state.set(current);
      if (current === undefined && known.signedIn && isEmpty(storage)) state.set({ signedIn: false, reason: 'left' });
    },
  };
}

/** Trades a one-time code, or an operator token that a person typed, for a session. */
export async function signIn(
  api: ApiClient,
  proof: { readonly code: string } | { readonly token: string },
): Promise<{ readonly ok: true; readonly session: ConsoleSession } | { readonly ok: false; readonly message: string }> {
  const answer = await api.post('/v1/console/sessions', consoleSession, { body: proof });
  if (answer.ok) return { ok: true, session: answer.value };
  return { ok: false, message: signInMessage(answer.problem, 'code' in proof) };
}

/** What a person reads when signing in did not work. */
export function signInMessage(problem: RequestFailure, byCode: boolean): string {
  switch (problem.kind) {
    case 'signedOut':
      return byCode
        ? 'This sign-in link was used before or is older than five minutes. Ask for a new one with: plimsoll console'
        : 'This is not a valid operator token of this collector.';
    case 'limited': {
      const wait = Math.max(1, Math.ceil(problem.retryAfterMs / 1000));
      return `Too many wrong attempts from this address. Wait ${String(wait)} s, then try again.`;
    }
    case 'refused':
      return byCode ? 'This sign-in link is not complete.' : 'This does not look like an operator token.';
    case 'unreachable':
    case 'unreadable':
    case 'failed':
    case 'notFound':
    case 'aborted':
      return `${problem.message} ${problem.hint}`.trim();
  }
}

function readStored(storage: SessionStorage, nowMs: number): SessionState | undefined {
  const text = attempt(() => storage.getItem(SESSION_KEY)) ?? null;
  if (text === null) return undefined;
  const parsed = parseJson(text, consoleSession);
  if (!parsed.ok) return undefined;
  if (parsed.value.expiresMs <= nowMs) return { signedIn: false, reason: 'expired' };
  return { signedIn: true, session: parsed.value };
}

function isEmpty(storage: SessionStorage): boolean {
  return attempt(() => storage.getItem(SESSION_KEY) === null) ?? false;
}

/** Storage that is forbidden or full is expected; the page works without it. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
