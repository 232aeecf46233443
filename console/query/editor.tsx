import type { JSX, TargetedKeyboardEvent } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { FactIndex } from '../completion/fact-index.ts';
import { accept, suggest } from '../completion/suggest.ts';
import type { Suggestions } from '../completion/suggest.ts';
import { counted } from '../../api/format.ts';
import { SuggestionList } from './suggestion-list.tsx';

/** Longest expression that the API takes. */
const MAX_LENGTH = 4096;

/**
 * A text field for an expression that suggests what could come next. Down and Up choose, Enter or Tab take, Escape
 * closes, Ctrl and Space open; Ctrl and Enter run. The focus stays in the field: the chosen suggestion is its active
 * descendant.
 */
export function Editor({
  value,
  index,
  onValue,
  onRun,
}: {
  readonly value: string;
  readonly index: FactIndex;
  readonly onValue: (text: string) => void;
  readonly onRun: (text: string) => void;
}): JSX.Element {
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const [suggestions, setSuggestions] = useState<Suggestions | undefined>(undefined);
  const [active, setActive] = useState(0);
  const caret = useRef<number>(undefined);
  useLayoutEffect(() => {
    // After a suggestion was taken the caret is behind it, not at the end.
    if (caret.current === undefined || field.current === null) return;
    field.current.setSelectionRange(caret.current, caret.current);
    caret.current = undefined;
  }, [value]);

  const look = (text: string, at: number, isAsked = false): void => {
    const found = suggest(text, at, index);
    setSuggestions(found?.isWanted === true || isAsked ? found : undefined);
    setActive(0);
  };
  useEffect(() => {
    // Somebody was faster than the names of the facts.
    if (document.activeElement === field.current && value !== '') look(value, field.current?.selectionStart ?? 0);
  }, [index]);
  const take = (position: number): void => {
    const item = suggestions?.items[position];
    if (suggestions === undefined || item === undefined) return;
    const next = accept(value, field.current?.selectionStart ?? value.length, suggestions, item);
    caret.current = next.caret;
    onValue(next.text);
    field.current?.focus();
    // What was written whole already must not be offered again for ever.
    if (next.text === value) setSuggestions(undefined);
    else look(next.text, next.caret);
  };
  const onKey = (event: TargetedKeyboardEvent<HTMLTextAreaElement>): void => {
    const command = commandOf(event, suggestions !== undefined);
    if (command === undefined) return;
    event.preventDefault();
    const last = (suggestions?.items.length ?? 1) - 1;
    if (command === 'run') {
      setSuggestions(undefined);
      onRun(event.currentTarget.value);
    } else if (command === 'open') look(event.currentTarget.value, event.currentTarget.selectionStart, true);
    else if (command === 'close') setSuggestions(undefined);
    else if (command === 'take') take(active);
    else if (command === 'next') setActive(active >= last ? 0 : active + 1);
    else setActive(active <= 0 ? last : active - 1);
  };
  const isOpen = suggestions !== undefined;
  return (
    <div class="editor">
      <label for={`${id}-field`}>Expression</label>
      <textarea
        id={`${id}-field`}
        ref={field}
        rows={4}
        maxLength={MAX_LENGTH}
        spellcheck={false}
        autocapitalize="off"
        autocomplete="off"
        placeholder="containers.filter(c, c.declared.privileged).map(c, c.name)"
        value={value}
        aria-autocomplete="list"
        aria-haspopup="listbox"
        aria-controls={isOpen ? `${id}-list` : undefined}
        aria-activedescendant={isOpen ? `${id}-item-${String(active)}` : undefined}
        aria-describedby={`${id}-help`}
        onInput={(event) => {
          onValue(event.currentTarget.value);
          look(event.currentTarget.value, event.currentTarget.selectionStart);
        }}
        onKeyDown={onKey}
        onClick={() => setSuggestions(undefined)}
        onBlur={() => setSuggestions(undefined)}
      />
      {isOpen ? <SuggestionList id={id} items={suggestions.items} active={active} onTake={take} /> : null}
      <p id={`${id}-help`} class="hint">
        <kbd>Ctrl Space</kbd> suggests, <kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Tab</kbd> takes, <kbd>Esc</kbd> closes.
      </p>
      <div class="visually-hidden" role="status">
        {isOpen ? `${counted(suggestions.items.length, 'suggestion')}: ${suggestions.items[active]?.label ?? ''}` : ''}
      </div>
    </div>
  );
}

type Command = 'run' | 'open' | 'close' | 'take' | 'next' | 'previous';

function commandOf(event: KeyboardEvent, isOpen: boolean): Command | undefined {
  const isControl = event.ctrlKey || event.metaKey;
  if (event.key === 'Enter' && isControl) return 'run';
  if (event.key === ' ' && event.ctrlKey) return 'open';
  if (!isOpen || isControl || event.altKey || event.shiftKey) return undefined;
  switch (event.key) {
    case 'Escape':
      return 'close';
    case 'Enter':
    case 'Tab':
      return 'take';
    case 'ArrowDown':
      return 'next';
    case 'ArrowUp':
      return 'previous';
    default:
      return undefined;
  }
}
