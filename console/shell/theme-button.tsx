import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useServices } from '../services.ts';
import { applyTheme, keepTheme, readTheme, THEMES } from '../theme.ts';
import type { Theme } from '../theme.ts';

const ICONS = Object.freeze({
  system: 'M2 3h12v8H2zm2 2v4h8V5zM5 12h6v1.500H5z',
  light:
    'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6M7.300 1h1.400v2.500H7.300zM7.300 12.500h1.400V15H7.300zM1 7.300h2.500v1.400H1zM12.500 7.300H15v1.400h-2.500zM2.600 3.600l1-1 1.800 1.800-1 1zM10.600 11.600l1-1 1.800 1.800-1 1zM12.400 2.600l1 1-1.800 1.800-1-1zM4.400 10.600l1 1-1.800 1.800-1-1z',
  dark: 'M6.200 1.500a6.600 6.600 0 1 0 8.300 8.300A5.600 5.600 0 0 1 6.200 1.500',
} satisfies Record<Theme, string>);

/** Goes through the themes. */
export function ThemeButton(): JSX.Element {
  const { announce } = useServices();
  const [theme, setTheme] = useState(readTheme);
  const turn = (): void => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
    setTheme(next);
    applyTheme(next);
    keepTheme(next);
    announce(`Theme: ${next}`);
    // What is drawn on a canvas must be drawn anew.
    dispatchEvent(new Event('plimsoll-theme'));
  };
  return (
    <button type="button" class="button button-quiet button-icon" onClick={turn} title={`Theme: ${theme}`}>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <path fill="currentColor" fill-rule="evenodd" d={ICONS[theme]} />
      </svg>
      <span class="visually-hidden">Theme: {theme}. Change it</span>
    </button>
  );
}
