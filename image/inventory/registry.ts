import type { Detector } from './detector.ts';
import { dotnet } from './language/dotnet.ts';
import { executable } from './language/executable.ts';
import { java } from './language/java.ts';
import { npm } from './language/npm.ts';
import { php } from './language/php.ts';
import { python } from './language/python.ts';
import { ruby } from './language/ruby.ts';
import { apk } from './os/apk.ts';
import { dpkg } from './os/dpkg.ts';
import type { PackageDatabase } from './os/package-database.ts';
import { rpmManifest } from './os/rpm-manifest.ts';
import { rpm } from './os/rpm.ts';

/** Finds packages of languages, sorted by name. */
export const DETECTORS: readonly Detector[] = Object.freeze([dotnet, executable, java, npm, php, python, ruby]);

/** Reads the databases of OS packages, sorted by name. */
export const PACKAGE_DATABASES: readonly PackageDatabase[] = Object.freeze([apk, dpkg, rpm, rpmManifest]);
