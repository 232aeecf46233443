import type { ComponentChildren, JSX } from 'preact';
import type { RequestFailure } from '../../api/client.ts';

/** Why something is not shown, what to do, and a way to try again. */
export function ProblemNote({
  problem,
  onRetry,
}: {
  readonly problem: RequestFailure;
  readonly onRetry?: () => void;
}): JSX.Element | null {
  if (problem.kind === 'aborted') return null;
  return (
    <div class="note note-problem" role="alert">
      <p>
        <strong>{problem.message}</strong> {problem.hint}
      </p>
      {onRetry === undefined ? null : (
        <button type="button" class="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Shown in place of an empty list. */
export function EmptyNote({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <div class="note note-empty">{children}</div>;
}

/** Shown while data is loading. */
export function LoadingNote({ what }: { readonly what: string }): JSX.Element {
  return (
    <div class="note note-loading">
      <span class="pulse" aria-hidden="true" /> Reading {what} …
    </div>
  );
}
