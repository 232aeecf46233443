/**
 * Stands in for the `ssh2` package in a bundle. docker-modem loads ssh2 at import, 17 MB and 40 ms of CPU, to reach
 * engines over SSH; this program speaks to unix sockets only.
 */
export function Client(): never {
  throw new Error('engines are not reached over SSH');
}
