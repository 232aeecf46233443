import type { ComponentChildren, JSX } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import type { RequestFailure } from '../../api/client.ts';
import { ProblemNote } from './note.tsx';

/** A button that asks before it does something. A refusal is shown in the question, which stays open. */
export function QuestionButton({
  label,
  title,
  children,
  yes,
  no,
  isDisabled,
  isPrimary = false,
  onYes,
}: {
  readonly label: string;
  /** The question, with the name of what it is about. */
  readonly title: ComponentChildren;
  /** What follows from the answer yes. */
  readonly children: ComponentChildren;
  /** The texts on the buttons. */
  readonly yes: string;
  readonly no: string;
  readonly isDisabled: boolean;
  readonly isPrimary?: boolean;
  /** Does it. Resolves to why it could not be done; undefined: it is done. */
  readonly onYes: () => Promise<RequestFailure | undefined>;
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<RequestFailure>();
  const [isUnderWay, setUnderWay] = useState(false);
  const id = useId();
  const open = (): void => {
    setProblem(undefined);
    dialog.current?.showModal();
  };
  const answerYes = async (): Promise<void> => {
    setUnderWay(true);
    const failure = await onYes();
    setUnderWay(false);
    setProblem(failure);
    if (failure === undefined) dialog.current?.close();
  };
  return (
    <>
      <button
        type="button"
        class={isPrimary ? 'button button-primary' : 'button'}
        aria-haspopup="dialog"
        disabled={isDisabled}
        onClick={open}
      >
        {label}
      </button>
      <dialog
        ref={dialog}
        class="question"
        role="alertdialog"
        aria-labelledby={`${id}-title`}
        aria-describedby={`${id}-text`}
      >
        <h2 id={`${id}-title`}>{title}</h2>
        <div id={`${id}-text`}>{children}</div>
        {problem === undefined ? null : <ProblemNote problem={problem} />}
        <div class="question-answers">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            {no}
          </button>
          <button type="button" class="button button-primary" disabled={isUnderWay} onClick={() => void answerYes()}>
            {yes}
          </button>
        </div>
      </dialog>
    </>
  );
}
