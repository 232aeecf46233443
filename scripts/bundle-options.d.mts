import type { BuildOptions } from 'esbuild';

export const BUNDLE_OPTIONS: Readonly<BuildOptions>;
export const SCAN_BUNDLE_OPTIONS: Readonly<BuildOptions>;
