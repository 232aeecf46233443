import type { Density } from './findings/window.ts';

const KEY = 'plimsoll.density';

/** The density that was chosen in this browser. */
export function readDensity(): Density {
  try {
    return localStorage.getItem(KEY) === 'compact' ? 'compact' : 'comfortable';
  } catch {
    // A browser may forbid storage.
    return 'comfortable';
  }
}

/** Shows a density and keeps it for the next visit; the style sheet looks at the attribute. */
export function applyDensity(density: Density): void {
  document.documentElement.dataset['density'] = density;
  try {
    localStorage.setItem(KEY, density);
  } catch {
    // A browser may forbid storage: then it lasts as long as the page.
  }
}
