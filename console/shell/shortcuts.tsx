import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Palette } from './palette.tsx';

const KEYS: readonly (readonly [keys: string, meaning: string])[] = Object.freeze([
  ['Ctrl K', 'go to a view, node, container or check'],
  ['/', 'search in the view'],
  ['j k', 'next and previous finding'],
  ['Enter', 'open the finding'],
  ['Esc', 'close what is open'],
  ['Ctrl Enter', 'run a query'],
  ['?', 'these keys'],
]);

/** Keys that work in every view, and the dialogs that they open. */
export function Shortcuts(): JSX.Element | null {
  const [open, setOpen] = useState<'palette' | 'help'>();
  const before = useRef<Element | null>(null);
  const close = (): void => {
    setOpen(undefined);
    // Where a person goes on from, unless a view took the focus.
    if (before.current instanceof HTMLElement) before.current.focus({ preventScroll: true });
  };
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const action = shortcutOf(event);
      if (action === undefined || document.querySelector('dialog[open]') !== null) return;
      if (action === 'palette' || action === 'help') {
        before.current = document.activeElement;
        setOpen(action);
      } else if (!focusFor(action)) return;
      event.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  if (open === 'palette') return <Palette onClose={close} />;
  return open === 'help' ? <Help onClose={close} /> : null;
}

type Shortcut = 'palette' | 'help' | 'search' | 'rows';

function shortcutOf(event: KeyboardEvent): Shortcut | undefined {
  if (event.defaultPrevented || event.altKey) return undefined;
  if (event.ctrlKey || event.metaKey) return event.key.toLowerCase() === 'k' ? 'palette' : undefined;
  // A letter belongs to the field that has the focus.
  if (event.target instanceof Element && event.target.closest('input, textarea, select') !== null) return undefined;
  switch (event.key) {
    case '?':
      return 'help';
    case '/':
      return 'search';
    case 'j':
    case 'k':
      return 'rows';
    default:
      return undefined;
  }
}

/** Moves the focus to the search field or the list of the view. False: the view has none, or the list has it already. */
function focusFor(action: 'search' | 'rows'): boolean {
  const selector = action === 'search' ? 'main input[type=search]' : 'main .row-link[tabindex="0"]';
  const element = document.querySelector<HTMLElement>(selector);
  const isInRows = (document.activeElement?.closest('.rows') ?? null) !== null;
  if (element === null || (action === 'rows' && isInRows)) return false;
  element.focus();
  return true;
}

function Help({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="question" aria-label="Keys" onClose={onClose}>
      <h2>Keys</h2>
      <dl class="keys">
        {KEYS.map(([keys, meaning]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <div class="question-answers">
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
