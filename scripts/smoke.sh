#!/usr/bin/env bash
# Does the first command of the README work, on a machine that is then used? Clones what is committed, runs `npm start`
# there as the README says (default data directory and ports), waits for the summary and the operator API, runs the
# command of its arguments while it is running, then ends it with Ctrl-C and looks whether it ended cleanly.
#   scripts/smoke.sh [COMMAND [ARGUMENT...]]
# Exit code: 1 where `npm start` fails, otherwise that of COMMAND. Its last line is printed again at the end.
set -uo pipefail
source_directory=$(cd "$(dirname "$0")/.." && pwd)
if [ "$(id -u)" = 0 ]; then data=/var/lib/plimsoll; else data=${XDG_STATE_HOME:-$HOME/.local/state}/plimsoll; fi
api=http://127.0.0.1:7480
work=$(mktemp -d)
had_data=$([ -e "$data" ] && echo yes)
clean() {
  kill -9 -- "-${pid:-0}" 2>/dev/null
  rm -rf "$work"
  # Keys and history of a machine that had them before stay.
  [ -n "$had_data" ] || rm -rf "$data"
}
trap clean EXIT

fail() {
  echo "smoke: FAILED: $1"
  tail -40 "$work/out"
  exit 1
}

git clone --quiet --no-hardlinks "$source_directory" "$work/clone" || exit 1
# A session of its own: Ctrl-C reaches every process of the group, as in a terminal. exec keeps the pid.
touch "$work/out"
(cd "$work/clone" && exec setsid bash -c 'trap - INT; exec npm start') >"$work/out" 2>&1 &
pid=$!

for ((i = 0; i < 600; i++)); do
  grep -q 'operator API' "$work/out" && break
  kill -0 "$pid" 2>/dev/null || fail "npm start ended by itself"
  sleep 0.5
done
grep -q 'operator API' "$work/out" || fail "no summary within 300 s"

check_running() {
  local token nodes
  token=$(cat "$data/operator-token") || fail "no operator token"
  [ "$(stat -c %a "$data/operator-token")" = 600 ] || fail "the operator token can be read by others"
  nodes=$(API=$api TOKEN=$token "$work/clone/node_modules/.bin/node" -e '
    const options = { headers: { authorization: `Bearer ${process.env.TOKEN}` }, signal: AbortSignal.timeout(60_000) };
    fetch(`${process.env.API}/v1/nodes`, options).then((answer) => answer.text()).then(console.log);
  ') || fail "the operator API does not answer"
  grep -q '"connected":true' <<<"$nodes" || fail "the local agent is not connected: $nodes"
}

check_running
status=0
last=
if [ $# -gt 0 ]; then
  "$@" 2>&1 | tee "$work/command" || status=$?
  last=$(tail -n 1 "$work/command")
  check_running
fi

kill -INT -- "-$pid"
for ((i = 0; i < 40; i++)); do
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.5
done
kill -0 "$pid" 2>/dev/null && fail "still running 20 s after Ctrl-C"
echo "smoke: npm start works in a fresh clone and ends with Ctrl-C"
[ -z "$last" ] || echo "$last"
exit "$status"
