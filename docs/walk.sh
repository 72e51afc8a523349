#!/usr/bin/env bash
# Walks every endpoint of the hub, and every page of the simulator beside it, with curl and jq alone: status, message and the
# values that matter. One line a step; exit code 1 if one of them failed, 2 if it couldn't begin.
#
#   docs/walk.sh                     starts simulators of its own: $ASAANBILL if it is set, else what cargo builds
#   docs/walk.sh 127.0.0.1:8088      walks one that runs with its default users and settings, and EMPTIES it
#
# A simulator of somebody else's can't be restarted with other settings: what needs them is left out, and said to be.
set -uo pipefail

for program in curl jq; do
    command -v "$program" >/dev/null || { echo "walk.sh: $program is needed" >&2; exit 2; }
done
folder=$(mktemp -d) || exit 2
pids=()
trap 'for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null; done; wait; rm -rf "$folder"' EXIT

# ---------------------------------------------------------------------------------------------------------------- the steps

steps_ok=0 steps_failed=0 steps_left_out=0
# Who asks, and `-` for a header that is left out.
token=- user=demo channel=23 content_type=application/json

# Sends a request: METHOD PATH [BODY, or @FILE] [more of curl's options]. Sets status, body, and `failure`, curl's exit code.
send() {
    local method=$1 path=$2 options=()
    : >"$folder/body"
    shift 2
    if (($#)); then
        [[ $method == GET ]] || options+=(--data-binary "$1")
        shift
    fi
    # An empty value needs a semicolon, or curl leaves the header out.
    [[ $content_type == - ]] && options+=(-H content-type:) || options+=(-H "content-type: $content_type")
    [[ $token == - ]] || options+=(-H "x-auth-ph-key: $token")
    [[ $user == - ]] || options+=(-H "username: $user")
    [[ $channel == - ]] || options+=(-H "channel-id: $channel")
    status=$(curl -sS --max-time 30 -X "$method" -H expect: "${options[@]}" "$@" -o "$folder/body" -D "$folder/head" \
        -w '%{http_code}' "$hub$path" 2>"$folder/failure")
    failure=$?
    body=$(<"$folder/body")
}

# NAME, whether it is right, what was expected.
tell() {
    if [[ $2 == yes ]]; then
        steps_ok=$((steps_ok + 1))
        printf 'ok      %s\n' "$1"
    else
        steps_failed=$((steps_failed + 1))
        printf 'FAILED  %s\n        expected: %s\n        got:      %s %s\n' "$1" "$3" "$status" "${body:0:1500}"
    fi
}

# Whether a jq filter is true of the answer; `$raw` is its text, for what jq doesn't tell apart (50 and 50.0).
holds() {
    jq -Rse --arg message "${2:-}" --argjson status "$status" ". as \$raw | fromjson | ($1)" "$folder/body" >/dev/null 2>&1 && echo yes
}

# The hub answers in its envelope: NAME STATUS MESSAGE FILTER METHOD PATH [BODY] …
hub() {
    local name=$1 expected=$2 message=$3 filter=$4
    shift 4
    send "$@"
    local envelope='keys == ["data","responseCode","responseMessage"] and .responseCode == $status and .responseMessage == $message'
    # A refusal has no data, but for a batch whose rows are all bad.
    [[ $expected == 200 || $filter == *.data* ]] || envelope+=' and .data == null'
    local right=no
    # jq takes longer to start than the hub to answer: a refusal to the letter needs none.
    if [[ $status == "$expected" && $filter == true && $body == "{\"responseCode\":$status,\"responseMessage\":\"$message\",\"data\":null}" ]]; then
        right=yes
    elif [[ $status == "$expected" ]]; then
        right=$(holds "$envelope and ($filter)" "$message")
    fi
    tell "$name" "$right" "$expected $message, $filter"
}

# A page of the simulator's own, or the 1BILL interface: NAME STATUS FILTER METHOD PATH [BODY] …
page() {
    local name=$1 expected=$2 filter=$3
    shift 3
    # No hub's headers are needed there.
    local token=- user=${bank_user:--} channel=-
    send "$@"
    local right=no
    [[ $status != "$expected" ]] || right=$(holds "$filter")
    tell "$name" "$right" "$expected, $filter"
}

# What an answer without JSON has: NAME STATUS-OR-CURL'S-EXIT-CODES TEXT, of the last request.
was() {
    [[ " $2 " == *" $status "* || " $2 " == *" curl:$failure "* ]] && [[ $body == *"$3"* ]] && tell "$1" yes || tell "$1" no "$2 $3"
}

# A header of the last answer: NAME HEADER PATTERN.
had_header() {
    tr -d '\r' <"$folder/head" | grep -iEq "^$2: $3\$" && tell "$1" yes || tell "$1" no "header $2: $3, got $(cat "$folder/head")"
}

# A value of the last answer.
of() { jq -r "$1" "$folder/body"; }

leave_out() {
    steps_left_out=$((steps_left_out + 1))
    printf 'left out: %s\n' "$1"
}

section() { printf '\n# %s\n' "$1"; }

# Starts a simulator with these flags, and walks it from now on.
start() {
    local ready=$folder/ready-${#pids[@]}.json log=$folder/log-${#pids[@]}
    local flags=(sim --listen 127.0.0.1:0 --store memory --ready-file "$ready" "$@")
    if [[ -n ${ASAANBILL:-} ]]; then "$ASAANBILL" "${flags[@]}" >"$log" 2>&1 & else
        (cd "$(dirname "${BASH_SOURCE[0]}")/.." && cargo build --quiet -p asaanbill-cli) || exit 2
        cargo run --quiet -p asaanbill-cli -- "${flags[@]}" >"$log" 2>&1 &
    fi
    pids+=($!)
    local tries
    for ((tries = 0; tries < 1200; tries++)); do
        [[ -s $ready ]] && { hub=http://$(jq -r .address "$ready"); return; }
        kill -0 "${pids[${#pids[@]} - 1]}" 2>/dev/null || break
        sleep 0.05
    done
    echo "walk.sh: the simulator didn't start: $(cat "$log")" >&3
    exit 2
}

GOOD='Request processed successfully'
NO_TOKEN='No valid authentication token provided'
FORBIDDEN='Insufficient permissions'
BODY='Invalid request body'
NO_USER='User not found or incorrect password'
NO_PAYMENT='Payment with the provided PSID not found'
NO_BATCH='Record against provided bulkPaymentRequestId NOT found'
PARTLY='Processed successfully but one or more payments have errors. Refer to the "status" of each payment'
BAD_BATCH='Invalid bulk payment request, please refer to the "status" of each payment'
ADD='/integration/add?generationTypes'
BULK='/integration/add-bulk?contentType=JSON'

# A bill: IDENTIFIER [AMOUNT] [AMOUNT AFTER] [DUE DATE].
bill() {
    printf '{"title":"Muhammad Mahd Sheikh","identifier":"%s","amount":"%s","dueDate":"%s","amountAfterDueDate":"%s"}' \
        "$1" "${2:-50}" "${4:-2025-01-31}" "${3:-55}"
}
payment() { printf '{"payment":%s}' "$1"; }
# Adds one: KIND IDENTIFIER … as for a bill. Sets id and psid.
add() {
    send POST "$ADD=$1" "$(payment "$(bill "${@:2}")")"
    id=$(of .data.id) psid=$(of .data.psid)
}
log_in() {
    channel=- token=- user=$1 send POST /integration/login "{\"password\":\"$2\"}"
    of .data.token
}
pay() { printf '{"psid":"%s","amount":"%s","reference":"%s"}' "$1" "$2" "$3"; }
# The clock stands at this time, and all that is due by then is done.
at() { user=- channel=- token=- send POST /_sim/clock "{\"set\":\"$1\"}"; }
# All that is due now is done.
settle() { user=- channel=- token=- send POST /_sim/clock '{"advance_seconds":0}'; }

# Where the journal ends now: what was before is no business of the steps that follow.
journal_end() {
    local next=0
    while send GET "/_sim/journal?after=$next&limit=1000" && next=$(of .next) && [[ $(of .more) == true ]]; do :; done
    echo "$next"
}

. "$(dirname "${BASH_SOURCE[0]}")/walk/hub.sh"
. "$(dirname "${BASH_SOURCE[0]}")/walk/bank.sh"
. "$(dirname "${BASH_SOURCE[0]}")/walk/pages.sh"

# ----------------------------------------------------------------------------------------------------------------- the walk

exec 3>&2 2>"$folder/complaints"
if (($#)); then
    hub=${1%/}
    [[ $hub == http*://* ]] || hub=http://$hub
else
    start --bulk-progress by-hand
fi
send GET /_sim/settings
[[ $status == 200 ]] || { echo "walk.sh: no simulator answers at $hub" >&3; exit 2; }
progress=$(of '.settings[] | select(.name == "bulk_progress").value')

walk_start
walk_hub
walk_bank
walk_pages
if (($#)); then
    leave_out 'the leniencies, which are settings: accept_literals, missing_kind_is_psid, empty_search_is_not_found'
else
    start --accept-literals --missing-kind-is-psid --empty-search-is-not-found --strict-faults --bank-username switch \
        --bank-password 'open sesame' --bulk-progress polls:2 --admin-token sesame-sesame
    walk_leniencies
fi

# What bash itself complains of ends a part of the walk early.
if [[ -s $folder/complaints ]]; then
    cat "$folder/complaints"
    steps_failed=$((steps_failed + 1))
fi
printf '\n%s steps: %s ok, %s failed, %s left out\n' $((steps_ok + steps_failed)) $steps_ok $steps_failed $steps_left_out
((steps_failed == 0 && steps_ok > 0))
