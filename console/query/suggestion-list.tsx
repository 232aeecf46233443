import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Suggestion } from '../completion/suggest.ts';

/** What could come next. The field keeps the focus, so a press of the mouse must not take it. */
export function SuggestionList({
  id,
  items,
  active,
  onTake,
}: {
  readonly id: string;
  readonly items: readonly Suggestion[];
  readonly active: number;
  readonly onTake: (position: number) => void;
}): JSX.Element {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [active, items]);
  return (
    <ul ref={list} id={`${id}-list`} class="suggestions" role="listbox" aria-label="Suggestions">
      {items.map(({ label, detail, description }, position) => (
        <li
          key={label}
          id={`${id}-item-${String(position)}`}
          role="option"
          aria-selected={position === active}
          onMouseDown={(event) => {
            event.preventDefault();
            onTake(position);
          }}
        >
          <code>{label}</code> <span class="suggestion-detail">{detail}</span>
          <span class="suggestion-description">{description}</span>
        </li>
      ))}
    </ul>
  );
}
