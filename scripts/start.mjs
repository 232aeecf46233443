// `npm start`: set-up, then a collector with a local agent. Arguments after `--` go to `plimsoll up`.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { NODE, ROOT, setUp } from './setup.mjs';

setUp();
const child = spawn(NODE, [join(ROOT, 'bin', 'plimsoll.js'), 'up', ...process.argv.slice(2)], { stdio: 'inherit' });
// The terminal sends Ctrl-C to the child as well; this process only waits for it to end cleanly.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
