import type { Detector } from './detector.ts';
import { apk } from './os/apk.ts';
import { dpkg } from './os/dpkg.ts';
import type { PackageDatabase } from './os/package-database.ts';

/** Finds packages of languages, sorted by name. */
export const DETECTORS: readonly Detector[] = Object.freeze([]);

/** Reads the databases of OS packages, sorted by name. */
export const PACKAGE_DATABASES: readonly PackageDatabase[] = Object.freeze([apk, dpkg]);
