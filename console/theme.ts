/** Light, dark, or as the system says. */
export type Theme = 'system' | 'light' | 'dark';

/** In the order in which the button goes through them. */
export const THEMES: readonly Theme[] = Object.freeze(['system', 'light', 'dark']);

const KEY = 'plimsoll.theme';

/** The theme that was chosen in this browser. */
export function readTheme(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system';
  } catch {
    // A browser may forbid storage.
    return 'system';
  }
}

/** Shows a theme; the style sheet looks at the attribute. */
export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

/** Keeps the theme for the next visit. */
export function keepTheme(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A browser may forbid storage: then it lasts as long as the page.
  }
}
