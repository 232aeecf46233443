import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** How long a person may pause while typing before the text is taken. */
const TYPING_MS = 250;

/** A field for a text to search for. `onText` is called once the person pauses. */
export function SearchField({
  text,
  label,
  placeholder,
  onText,
}: {
  readonly text: string;
  readonly label: string;
  readonly placeholder: string;
  readonly onText: (text: string) => void;
}): JSX.Element {
  const [typed, setTyped] = useState(text);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (next: string): void => {
    setTyped(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onText(next), TYPING_MS);
  };
  return (
    <label class="filter-text">
      <span class="visually-hidden">{label}</span>
      <input
        type="search"
        placeholder={placeholder}
        maxLength={256}
        value={typed}
        onInput={(event) => type(event.currentTarget.value)}
      />
    </label>
  );
}
