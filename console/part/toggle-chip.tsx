import type { ComponentChildren, JSX } from 'preact';

/** A button that is pressed or not, among others of its kind. */
export function ToggleChip({
  isOn,
  onToggle,
  children,
}: {
  readonly isOn: boolean;
  readonly onToggle: () => void;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <button type="button" class="chip" aria-pressed={isOn} onClick={onToggle}>
      {children}
    </button>
  );
}
