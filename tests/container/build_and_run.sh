#!/usr/bin/env bash
# Builds the image and proves, in real containers, what docs/container.md promises. Ends 0 only if every check held.
#
#   tests/container/build_and_run.sh [BASE]
#
# Settings, as environment variables:
#   BASE         the base image; without it, the one that the Containerfile names
#   ENGINE       podman (default) or docker, with global options if need be
#   BUILD_FLAGS  more options for `build`, for example a certificate to mount
#   RUN_FLAGS    more options for `run`
#   PIP_CONFIG   a pip configuration file for the build; it stays out of the image
#   KEEP         set it to keep the image, as localhost/kizashi:test
set -euo pipefail
cd "$(dirname "$0")/../.."

BASE=${1:-${BASE:-}}
IMAGE=localhost/kizashi:test
NAME=kizashi-test-$$
VOLUME=$NAME
WRITE=write-$NAME
READ=read-$NAME
scratch=$(mktemp -d)
read -ra engine <<< "${ENGINE:-podman}"
read -ra build_flags <<< "${BUILD_FLAGS:-}"
read -ra run_flags <<< "${RUN_FLAGS:-}"
# Without it podman builds an OCI image, a format that has no health checks. Docker ignores the variable.
export BUILDAH_FORMAT=docker

command -v "${engine[0]}" > "$scratch/found" \
  || { echo "${engine[0]} is not installed; ENGINE names another" >&2; exit 1; }

engine() { "${engine[@]}" "$@"; }

# quietly COMMAND...: show what it says only if it fails.
quietly() { "$@" &> "$scratch/said" || { cat "$scratch/said"; return 1; }; }

clean() {
  quietly engine rm --force "$NAME" || true
  quietly engine volume rm --force "$VOLUME" || true
  if [ -z "${KEEP:-}" ]; then quietly engine rmi --force "$IMAGE" || true; fi
  rm -rf "$scratch"
}
trap clean EXIT

# check TEXT COMMAND...: the command must succeed.
check() {
  local text=$1
  shift
  if "$@" &> "$scratch/check"; then
    echo "ok      $text"
  else
    echo "FAILED  $text: $*"
    cat "$scratch/check"
    engine logs "$NAME" 2>&1 || true
    exit 1
  fi
}

# ends STATUS COMMAND...: the command ends with this status.
ends() {
  local expected=$1 status=0
  shift
  "$@" || status=$?
  equal "$status" "$expected"
}
fails_with() {
  local text=$1
  shift
  if "$@" &> "$scratch/output"; then echo "it did not fail"; return 1; fi
  grep --fixed-strings "$text" "$scratch/output" || { cat "$scratch/output"; return 1; }
}
equal() { [ "$1" = "$2" ] || { echo "got '$1', expected '$2'"; return 1; }; }

# ask METHOD PATH KEY [BODY]: the status and body of the collector's answer.
ask() {
  python3 - "$address" "$@" << 'PYTHON'
import http.client
import sys

address, method, path, key, *body = sys.argv[1:]
connection = http.client.HTTPConnection(address, timeout=10)
headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
connection.request(method, path, body=body[0].encode() if body else None, headers=headers)
answer = connection.getresponse()
print(answer.status, answer.read().decode())
PYTHON
}

# answers PATTERN METHOD PATH KEY [BODY]: the answer matches a regular expression.
answers() {
  local pattern=$1
  shift
  ask "$@" > "$scratch/answer"
  grep --extended-regexp --quiet "$pattern" "$scratch/answer" || { cat "$scratch/answer"; return 1; }
}

logged() {
  for _ in {1..150}; do
    engine logs "$NAME" &> "$scratch/log"
    if grep --fixed-strings "$1" "$scratch/log"; then return 0; fi
    sleep 0.2
  done
  echo "'$1' was not logged within 30 s"
  return 1
}

# The strictest root: read-only, and no place in memory to write to, which podman would add.
strict=(--read-only --cap-drop all --security-opt no-new-privileges)
engine run --help > "$scratch/help"
if grep --quiet -- --read-only-tmpfs "$scratch/help"; then strict+=(--read-only-tmpfs=false); fi

start() {
  quietly engine run --detach --name "$NAME" "${strict[@]}" --volume "$VOLUME:/data" --publish 127.0.0.1::8700 \
    --env KIZASHI_WRITE_KEY="$WRITE" --env KIZASHI_READ_KEY="$READ" "${run_flags[@]}" "$@" "$IMAGE"
  check "it says that it is listening" logged "listening on http://0.0.0.0:8700"
  address=$(engine port "$NAME" 8700/tcp | head -n 1)
}

health() { engine exec "$NAME" "${health_check[@]}"; }

# stop: SIGTERM, then the exit status of the container.
stop() {
  local began=$SECONDS
  quietly engine stop -t 30 "$NAME"
  check "SIGTERM ends it with status 0" equal "$(engine inspect --format '{{.State.ExitCode}}' "$NAME")" 0
  check "by itself, well before it would be killed ($((SECONDS - began)) s)" test $((SECONDS - began)) -lt 15
  quietly engine rm "$NAME"
}

echo "== build"
if [ -n "$BASE" ]; then build_flags+=(--build-arg "BASE=$BASE"); fi
if [ -n "${PIP_CONFIG:-}" ]; then build_flags+=(--secret "id=pip,src=$PIP_CONFIG"); fi
quietly nice "${engine[@]}" build --file Containerfile --tag "$IMAGE" "${build_flags[@]}" .
base=${BASE:-$(sed -n 's/^ARG BASE=//p' Containerfile)}
bytes=$(engine image inspect --format '{{.Size}}' "$IMAGE")
base_bytes=$(engine image inspect --format '{{.Size}}' "$base")
awk -v whole="$bytes" -v base="$base_bytes" -v name="$base" 'BEGIN {
  printf "size    %.1f MB: %.1f MB on the base %s of %.1f MB\n", whole / 1e6, (whole - base) / 1e6, name, base / 1e6 }'

mapfile -t health_check < <(engine image inspect "$IMAGE" | python3 -c '
import json, sys

def find(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key.lower() == "healthcheck" and value:
                return value["Test"]
            if found := find(value):
                return found
    return None

how, *command = find(json.load(sys.stdin)[0]) or ["NONE"]
assert how == "CMD", f"no health check in exec form: {how}"
print(*command, sep="\n")')
check "the image carries a health check" test "${#health_check[@]}" -gt 1

echo "== the image"
once=("${engine[@]}" run --rm "${strict[@]}" "${run_flags[@]}")
check "kizashi --version runs" "${once[@]}" "$IMAGE" --version
check "pip is not in its environment" \
  fails_with "No module named 'pip'" "${once[@]}" --entrypoint python "$IMAGE" -c "import pip"
check "its /data is empty" \
  "${once[@]}" --entrypoint python "$IMAGE" -c "import os, sys; sys.exit(bool(os.listdir('/data')))"
check "the collector's bytecode is there" "${once[@]}" --entrypoint python "$IMAGE" -c "
import importlib.util, os, kizashi_collector.http as m
assert os.path.exists(importlib.util.cache_from_source(m.__file__))"
check "its health check ends 1 where nothing serves" \
  ends 1 "${once[@]}" --entrypoint "${health_check[0]}" "$IMAGE" "${health_check[@]:1}"

echo "== first run, with a new volume"
start
check "it runs as uid 10001" equal "$(engine exec "$NAME" id -u)" 10001
check "even root cannot write to its root" \
  fails_with "Read-only file system" engine exec --user 0 "$NAME" touch /opt/kizashi/written
check "nor to /tmp" fails_with "Read-only file system" engine exec --user 0 "$NAME" touch /tmp/written
check "the health check passes" health
check "it is ready" answers '^200 ' GET /readyz ""
now=$(($(date +%s) * 1000))
event='{"id": "order-1", "name": "purchase", "time": '$now', "actor": "v-1", "value": 1200, "currency": "JPY",
        "source": {"campaign": "brand"}}'
batch="{\"events\": [$event]}"
check "without a key, an event is refused" answers '^401 ' POST /v1/events "" "$batch"
check "with the write key, it is accepted" answers '^200 .*"accepted": ?1\b' POST /v1/events "$WRITE" "$batch"
check "it is listed" answers '^200 .*"order-1"' GET /v1/events "$READ"
stop

echo "== second run, with the same volume and a plan"
# A folder is mounted, not the file: a mounted file would stay the old one when an editor replaces it.
mkdir "$scratch/plan"
cat > "$scratch/plan/plan.toml" << 'PLAN'
currency = "JPY"
timezone = "Asia/Tokyo"

[events.purchase]
final = true
value = "event"
PLAN
chmod -R a+rX "$scratch"
start --volume "$scratch/plan:/etc/kizashi:ro" --env KIZASHI_PLAN=/etc/kizashi/plan.toml
check "the event is still listed" answers '^200 .*"order-1"' GET /v1/events "$READ"
check "the summary counts it" \
  answers '^200 .*"campaign": ?"brand".*"final_value": ?1200\b' GET "/v1/summary?by=campaign" "$READ"
check "sent again, it is a duplicate" \
  answers '^200 .*"accepted": ?0.*"duplicates": ?1\b' POST /v1/events "$WRITE" "$batch"
sed 's/Tokyo/Seoul/' "$scratch/plan/plan.toml" > "$scratch/plan/next.toml"
mv "$scratch/plan/next.toml" "$scratch/plan/plan.toml"
quietly engine kill --signal HUP "$NAME"
check "SIGHUP puts the edited plan in force" logged "is in force"
check "a key can be made beside it" engine exec "$NAME" kizashi keys create --scope read --name report
check "the new key reads" answers '^200 ' GET /v1/summary "$(tail -n 1 "$scratch/check")"
check "a second collector on the same volume refuses to start" \
  fails_with "belongs to another running collector" "${once[@]}" --volume "$VOLUME:/data" "$IMAGE"
check "the health check passes" health
stop

echo "all checks held"
