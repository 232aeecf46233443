#!/usr/bin/env bash
# Does the first command of the README work? Clones what is committed, runs `npm start` there, waits for the summary
# and the operator API, then ends it with Ctrl-C and looks whether it ended cleanly.
set -uo pipefail
source_directory=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'kill -9 -- "-${pid:-0}" 2>/dev/null; rm -rf "$work"' EXIT

fail() {
  echo "smoke: FAILED: $1"
  tail -40 "$work/out"
  exit 1
}

git clone --quiet --no-hardlinks "$source_directory" "$work/clone" || exit 1
cd "$work/clone" || exit 1
# Ports that nobody else is likely to listen on, below those that the system hands out by itself.
port=$((20000 + RANDOM % 10000))
export PLIMSOLL_DATA_DIR=$work/data PLIMSOLL_LISTEN=127.0.0.1:$port PLIMSOLL_API=127.0.0.1:$((port + 1))
# A session of its own: Ctrl-C reaches every process of the group, as in a terminal. exec keeps the pid.
touch "$work/out"
setsid bash -c 'trap - INT; exec npm start' >"$work/out" 2>&1 &
pid=$!

for ((i = 0; i < 600; i++)); do
  grep -q 'operator API' "$work/out" && break
  kill -0 "$pid" 2>/dev/null || fail "npm start ended by itself"
  sleep 0.5
done
grep -q 'operator API' "$work/out" || fail "no summary within 300 s"
token=$(cat "$PLIMSOLL_DATA_DIR/operator-token") || fail "no operator token"
[ "$(stat -c %a "$PLIMSOLL_DATA_DIR/operator-token")" = 600 ] || fail "the operator token can be read by others"
nodes=$(TOKEN=$token node_modules/.bin/node -e '
  const options = { headers: { authorization: `Bearer ${process.env.TOKEN}` }, signal: AbortSignal.timeout(10_000) };
  fetch(`http://${process.env.PLIMSOLL_API}/v1/nodes`, options).then((answer) => answer.text()).then(console.log);
') || fail "the operator API does not answer"
grep -q '"connected":true' <<<"$nodes" || fail "the local agent is not connected: $nodes"

kill -INT -- "-$pid"
for ((i = 0; i < 40; i++)); do
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.5
done
kill -0 "$pid" 2>/dev/null && fail "still running 20 s after Ctrl-C"
echo "smoke: npm start works in a fresh clone and ends with Ctrl-C"
