# shellcheck shell=bash
# The simulator's own pages under /_sim, and its settings.

walk_pages() {
    walk_guard
    walk_clock
    walk_history
    walk_callbacks
    walk_users
    walk_faults
    walk_journal
    walk_snapshots
    walk_metrics
}

# A page's refusal: NAME STATUS PATTERN METHOD PATH [BODY].
page_refuses() { page "$1" "$2" "keys == [\"error\"] and (.error | test($(jq -n --arg p "$3" '$p')))" "${@:4}"; }

walk_guard() {
    section 'Who may use the pages'
    page_refuses 'a name that is not this simulator' 403 'Host' GET /_sim/health '' -H 'host: evil.example'
    page_refuses 'a page of another origin' 403 'origin' POST /_sim/reset '' -H 'origin: https://evil.example'
    page 'a page of its own' 200 '.status == "ok"' GET /_sim/health '' -H "origin: $hub"
    send GET /_sim/nothing
    was 'an unknown page' 404 ''
    send PUT /_sim/clock '{}'
    was 'another method' 405 ''
    page 'settings, with provenance' 200 '(.settings | length > 10) and ([.settings[] | keys == ["default","help","name","provenance","value"]
        and (.provenance | IN("documented","implied","assumed"))] | all)' GET /_sim/settings
}

walk_clock() {
    section 'The clock'
    at 2025-01-10T05:22:30Z
    page 'it stands' 200 '.now == "2025-01-10T05:22:30Z" and .mode == "frozen" and has("next_due") and (has("effects") | not)' GET /_sim/clock
    page 'it is set in any zone' 200 '.now == "2025-01-31T19:00:00Z" and .effects == []' POST /_sim/clock '{"set":"2025-02-01T00:00:00+05:00"}'
    page 'it goes on by an hour' 200 '.now == "2025-01-31T20:00:00Z" and .mode == "frozen"' POST /_sim/clock '{"advance_seconds":3600}'
    page 'it goes on to what is due' 200 '.effects | type == "array"' POST /_sim/clock '{"advance_to":"next_due"}'
    page 'it goes faster' 200 '.mode == "scaled" and .speed == 60' POST /_sim/clock '{"mode":"scaled","speed":60}'
    page 'it goes' 200 '.mode == "real" and (has("speed") | not)' POST /_sim/clock '{"mode":"real"}'
    page 'it stops' 200 '.mode == "frozen"' POST /_sim/clock '{"mode":"frozen"}'
    local wrong
    for wrong in '' '{}' '[]' '{"set":"yesterday"}' '{"advance_seconds":-1}' '{"advance_seconds":1,"mode":"real"}' '{"mode":"scaled"}' \
        '{"mode":"scaled","speed":0}' '{"mode":"fast"}' '{"advance":1}'; do
        page_refuses "no time: $wrong" 400 'advance_seconds' POST /_sim/clock "$wrong"
    done
    at 2025-01-10T05:22:30Z
}

walk_history() {
    section 'What happened'
    local id psid first
    add PSID HISTORY 50 && first=$id
    add PSID HISTORY 60
    send POST /_sim/pay "$(pay "$psid" 60 H-1)"
    page 'to the first bill' 200 "[.events[].what] == [\"added\",\"discarded: payment $id took over its PSID\"] and ([.events[] | .channel == 23 and .payment == $first] | all)
        and (.events[0] | keys == [\"at\",\"bulk_request\",\"channel\",\"number\",\"payment\",\"request\",\"what\"])" GET "/_sim/payments/$first/history"
    page 'to the second' 200 '[.events[].what] == ["added","paid: 60 rupees by a bank"] and .events[0].at == "2025-01-10T05:22:30Z"' GET "/_sim/payments/$id/history"
    page 'to all, from the beginning' 200 '.events | length == 2 and .[0].number == 1 and .[1].number == 2' GET '/_sim/events?limit=2'
    page 'to all, after the first' 200 '.events | length == 1 and .[0].number == 2' GET '/_sim/events?after=1&limit=1'
    page_refuses 'to nobody' 404 'there is no payment' GET /_sim/payments/999999/history
    page_refuses 'to no number' 404 'there is no payment' GET /_sim/payments/x/history
    page_refuses 'events by a wrong page' 400 '^limit: .* after: |^after: .*limit: ' GET '/_sim/events?after=-1&limit=1001'
}

walk_callbacks() {
    section 'Call-backs'
    local id psid from
    from=$(journal_end)
    page 'no address' 200 '.done == "stored"' POST /_sim/channels/23 '{"callback_url":null}'
    page 'nothing is owed' 200 '.callbacks == []' GET /_sim/callbacks
    # The simulator itself is a receiver that knows no such path: what it got is in its journal.
    page 'an address' 200 '.done == "stored"' POST /_sim/channels/23 "{\"callback_url\":\"$hub/receiver\"}"
    page 'which is kept to itself' 200 '.channels[0] == {"id":23,"name":"Evamp & Saanga","callbacks":true}' GET /_sim/channels
    add PSID CALLED 5000 5500
    page 'paid' 200 true POST /_sim/pay "$(pay "$psid" 5000 CB-1)"
    settle
    page 'the call-back was not acknowledged by a 404' 200 '.callbacks | length == 1 and (.[0] | .path == "/processed" and .channel == 23
        and (.attempts | length == 1) and (.attempts[0] | .kind == "genuine" and .acknowledged == false and .diagnosis == "status 404" and (.explanation | type) == "string"))' \
        GET /_sim/callbacks
    local call
    call=$(of '.callbacks[0].id')
    page 'what it said' 200 ".callbacks[0].body | fromjson == {\"title\":\"Muhammad Mahd Sheikh\",\"identifier\":\"CALLED\",\"dueDate\":\"2025-01-31\",
        \"amount\":\"5000\",\"amountAfterDueDate\":\"5500\",\"psid\":\"$psid\"}" GET '/_sim/callbacks?after=0&limit=1'
    local length
    length=$(of '.callbacks[0].body | utf8bytelength')
    page 'what the receiver got' 200 ".requests[-1] | .method == \"POST\" and .path == \"/receiver/processed\" and .status == 404
        and (.headers | index([[\"content-type\",\"application/json\"]]) != null and index([[\"content-length\",\"$length\"]]) != null)" GET "/_sim/journal?after=$from&limit=1000"
    page 'it is sent twice more' 200 '.done == "resent"' POST "/_sim/callbacks/$call/resend" '{"times":2}'
    page 'it is sent in other words' 200 '.done == "resent"' POST "/_sim/callbacks/$call/resend" '{"body":"{\"edited\":true}"}'
    page 'it is sent as it was' 200 '.done == "resent"' POST "/_sim/callbacks/$call/resend"
    settle
    page 'what the receiver got then' 200 "[.requests[] | select(.path == \"/receiver/processed\").headers[] | select(.[0] == \"content-length\")[1]]
        | length == 5 and (unique == ([\"15\",\"$length\"] | sort)) and (map(select(. == \"15\")) | length) == 1" GET "/_sim/journal?after=$from&limit=1000"
    send POST "$BULK" "$(batch "$(bill CALLED-2)")"
    local bulk_id
    bulk_id=$(of .data.bulkPaymentRequestId)
    if [[ $progress == by-hand ]]; then
        send POST "/_sim/bulk/$bulk_id/advance"
        send POST "/_sim/bulk/$bulk_id/advance"
    fi
    settle
    page 'a batch is told of' 200 "[.callbacks[] | select(.path == \"/bulk-payment-request-approved\").body | fromjson] == [{\"bulkPaymentRequestId\":$bulk_id}]" GET '/_sim/callbacks?after=0'
    page_refuses 'an unknown call-back' 404 'there is no call-back' POST /_sim/callbacks/999999/resend
    { printf '{"body":"'; head -c 524289 /dev/zero | tr '\0' x; printf '"}'; } >"$folder/long"
    page_refuses 'too long a body' 400 'at most 524288 bytes' POST "/_sim/callbacks/$call/resend" "@$folder/long"
    page_refuses 'no times' 400 '1 to 1000 times' POST "/_sim/callbacks/$call/resend" '{"times":0}'
    page_refuses 'an unknown member' 400 'expected' POST "/_sim/callbacks/$call/resend" '{"time":1}'
    page_refuses 'a wrong page' 400 '^limit' GET '/_sim/callbacks?limit=0'
    page_refuses 'an address elsewhere' 400 'address' POST /_sim/channels/23 '{"callback_url":"http://192.0.2.1/"}'
    page_refuses 'no address at all' 400 'callback_url' POST /_sim/channels/23 '{"callback_url":"no address"}'
    page_refuses 'an unknown channel' 404 'there is no channel' POST /_sim/channels/99 '{"callback_url":null}'
    page 'no address any more' 200 '.done == "stored"' POST /_sim/channels/23 '{"callback_url":null}'
    page_refuses 'an unknown batch: advance' 404 'there is no batch' POST /_sim/bulk/999999/advance
    page_refuses 'an unknown batch: fail' 404 'there is no batch' POST /_sim/bulk/x/fail
    page_refuses 'a batch of another channel' 404 'there is no batch' POST "/_sim/bulk/$bulk_id/advance" '{"channel":24}'
    page_refuses 'a batch, wrongly' 400 'expected' POST "/_sim/bulk/$bulk_id/fail" '{"row":1}'
    page 'what is done cannot fail' 200 '.errored == 0' POST "/_sim/bulk/$bulk_id/fail"
}

walk_users() {
    section 'Users'
    page 'users' 200 '.users | map(select(.name == "demo" or .name == "viewer")) == [{"name":"demo","channel":23,"may_add":true,"may_read":true},
        {"name":"viewer","channel":23,"may_add":false,"may_read":true}]' GET /_sim/users
    page 'a new user' 200 '.done == "stored"' POST /_sim/users '{"name":"clerk","password":"clerk","channel":23,"role":"viewer"}'
    local clerk
    clerk=$(log_in clerk clerk)
    token=$clerk user=clerk hub 'who reads' 200 "$GOOD" true GET /integration/payment
    page 'the tokens are revoked' 200 '.revoked == 1' POST /_sim/users/clerk/revoke
    token=$clerk user=clerk hub 'and open nothing' 401 "$NO_TOKEN" true GET /integration/payment
    page 'the user goes' 200 '.done == "removed"' DELETE /_sim/users/clerk
    token=- user=clerk channel=- hub 'and logs in no more' 404 "$NO_USER" true POST /integration/login '{"password":"clerk"}'
    page_refuses 'gone already' 404 'there is no user' DELETE /_sim/users/clerk
    page 'who only adds, to a channel of its own' 200 '.done == "stored"' POST /_sim/users '{"name":"till","password":"till","channel":24,"role":"adder"}'
    local till bulk_id
    till=$(log_in till till)
    token=$till user=till channel=24 hub 'and does not read' 403 "$FORBIDDEN" true GET /integration/payment
    token=$till user=till channel=24 hub 'but adds' 200 "$GOOD" true POST "$BULK" "$(batch "$(bill TILL-1)")"
    bulk_id=$(of .data.bulkPaymentRequestId)
    page_refuses 'a batch of two channels: advance' 409 'several channels' POST "/_sim/bulk/$bulk_id/advance"
    page_refuses 'a batch of two channels: fail' 409 'several channels' POST "/_sim/bulk/$bulk_id/fail"
    page 'one of them' 200 '.channel == 24' POST "/_sim/bulk/$bulk_id/advance" '{"channel":24}'
    page 'who only adds goes' 200 '.done == "removed"' DELETE /_sim/users/till
    page 'nobody has no tokens' 200 '.revoked == 0' POST /_sim/users/clerk/revoke
    page_refuses 'a wrong name, a wrong channel' 400 '^name: .*; channel: ' POST /_sim/users '{"name":"a b","password":"x","channel":0,"role":"viewer"}'
    page_refuses 'a wrong role' 400 'role' POST /_sim/users '{"name":"a","password":"x","channel":23,"role":"boss"}'
    # Who guesses is stopped; nobody is called that, so nobody is locked out.
    local tries guesser=guesser-$RANDOM$RANDOM
    for ((tries = 0; tries < 20; tries++)); do token=- user=$guesser channel=- send POST /integration/login '{"password":"guess"}'; done
    was 'the twentieth guess' 404 "$NO_USER"
    token=- user=$guesser channel=- send POST /integration/login '{"password":"guess"}'
    was 'the twenty-first' 429 '"responseCode":429'
    had_header 'it says when to come again' retry-after '[0-9]+'
}

# A request that adds, with a fault by header; then what was stored.
faulty() { send POST "$ADD=PSID" "$(payment "$(bill "$2")")" -H "x-sim-fault: $1"; }
stored() { hub "$1: ${3:-1} stored" 200 "$GOOD" "[.data.content[] | select(.identifier == \"$2\")] | length == ${3:-1}" GET '/integration/payment?pageSize=100'; }

walk_faults() {
    section 'Faults'
    at 2025-01-10T05:30:00Z
    page 'none is armed' 200 '.disarmed == 0' DELETE /_sim/faults
    page 'the catalogue' 200 '.armed == [] and .fired == [] and .strict == false and .header == "x-sim-fault" and (.catalogue | length == 12)
        and .endpoints == ["login","add","add-bulk","bulk-requests","bulk-request","payments","payment","search"]' GET /_sim/faults
    page 'one is armed' 201 '.fault == "status" and .code == 503 and .endpoint == "add" and .nth == 2 and .times == 1 and (.id | type) == "number"' \
        POST /_sim/faults '{"fault":"status","code":503,"endpoint":"add","nth":2}'
    local rule
    rule=$(of .id)
    page 'it waits' 200 ".armed | length == 1 and (.[0] | .id == $rule and .to_pass == 1 and .remaining == 1)" GET /_sim/faults
    hub 'the first add is let pass' 200 "$GOOD" true POST "$ADD=PSID" "$(payment "$(bill FAULT-1)")"
    send POST "$ADD=PSID" "$(payment "$(bill FAULT-2)")"
    was 'the second fails' 503 '"responseCode":503'
    stored 'nothing was done' FAULT-2 0
    page 'it has fired' 200 ".armed == [] and .fired_total == 1 and (.fired[0] | .fault == \"status;code=503\" and .by == \"rule\" and .rule == $rule and .endpoint == \"add\")" GET /_sim/faults
    page 'a share' 201 '.per_mille == 500 and .seed == 7' POST /_sim/faults '{"fault":"latency","ms":1,"per_mille":500,"seed":7}'
    page 'which is disarmed by its number' 200 '.disarmed == 1' DELETE "/_sim/faults/$(of .id)"
    page_refuses 'once' 404 'no fault' DELETE "/_sim/faults/$rule"
    page_refuses 'all that is wrong is told' 400 'fault: .*endpoint: .*nth: ' POST /_sim/faults '{"fault":"nonsense","endpoint":"adds","nth":0}'
    page_refuses 'no rule' 400 'catalogue' POST /_sim/faults '[]'

    faulty unauthorized FAULT-401
    was 'unauthorized' 401 "$NO_TOKEN"
    faulty 'too-many-requests;retry_after=7' FAULT-429
    was 'too-many-requests' 429 '"responseCode":429'
    had_header 'too-many-requests: how long' retry-after 7
    faulty 'latency;ms=50' FAULT-LATE
    was 'latency' 200 FAULT-LATE
    faulty reset-before FAULT-BEFORE
    was 'reset-before: no answer' 'curl:52 curl:56' ''
    stored reset-before FAULT-BEFORE 0
    faulty reset-after-commit FAULT-AFTER
    was 'reset-after-commit: no answer' 'curl:52 curl:56' ''
    stored reset-after-commit FAULT-AFTER 1
    faulty cut-answer FAULT-CUT
    was 'cut-answer: half an answer' curl:18 ''
    stored cut-answer FAULT-CUT 1
    local fault
    for fault in truncated-json malformed-json; do
        faulty $fault "FAULT-$fault"
        was "$fault comes with 200" 200 responseCode
        jq . >/dev/null 2>&1 <<<"$body" && tell "$fault can't be read" no 'no JSON' || tell "$fault can't be read" yes
        stored $fault "FAULT-$fault" 1
    done
    faulty 'slow-drip;bytes=64;every_ms=1' FAULT-DRIP
    was 'slow-drip' 200 FAULT-DRIP
    faulty wrong-type FAULT-TYPE
    tell 'wrong-type: a string for a number' "$(holds '.data.id | type == "string"')" 'an id that is a string'
    faulty impossible-date FAULT-DATE
    was 'impossible-date' 200 '"31-06-2025"'
    send POST "$ADD=PSID" "$(payment "$(bill 'fault:status;code=502:X')")"
    was 'by magic value' 502 '"responseCode":502'
    send POST "$ADD=PSID" "$(payment "$(bill 'fault:nonsense:X')")"
    was 'a misspelt one' 400 '"responseCode":400'
    page 'by header and by value' 200 '[.fired[].by] | (index("header") != null) and .[-1] == "magic-value"' GET /_sim/faults
    page 'all is forgotten' 200 '.disarmed == 0' DELETE /_sim/faults
    page 'and nothing has fired' 200 '.fired == [] and .armed == []' GET /_sim/faults
    at 2025-01-10T05:22:30Z
}

walk_journal() {
    section 'The journal of requests'
    log_in demo demo >/dev/null
    hub 'a request' 200 "$GOOD" true GET '/integration/payment?pageSize=1'
    had_header 'it has a number' x-sim-request-id '[0-9]+'
    local number
    number=$(tr -d '\r' <"$folder/head" | sed -n 's/^x-sim-request-id: //p')
    page 'and an entry' 200 "[.requests[] | select(.id == $number)][0] | .method == \"GET\" and .path == \"/integration/payment?pageSize=1\" and .endpoint == \"payments\"
        and .user == \"demo\" and .channel == \"23\" and .status == 200 and .outcome == \"answered\" and .fault == null and (.answer_body.text | contains(\"$GOOD\"))
        and (.headers | map(select(.[0] == \"x-auth-ph-key\"))) == [[\"x-auth-ph-key\",\"[removed]\"]]" GET "/_sim/journal?after=$((number - 3))&limit=1000"
    page 'no token and no password is in it' 200 "(\$raw | contains(\"${token:0:40}\") | not) and ([.requests[] | select(.endpoint == \"login\" and .status == 200)
        | (.answer_body.text | contains(\"[removed]\")) and (.body.text | contains(\"[removed]\"))] | length > 0 and all)" GET "/_sim/journal?after=$journal&limit=1000&endpoint=login"
    page 'by operation and status' 200 '.requests | length > 0 and ([.[] | .endpoint == "add" and .status == 400] | all)' GET '/_sim/journal?endpoint=add&status=400&limit=5'
    page 'those without an answer' 200 '.requests | length == 2 and ([.[] | .outcome == "dropped" and .status == null and (.fault | startswith("reset-"))] | all)' GET "/_sim/journal?after=$journal&status=none&endpoint=add"
    page 'a page, and where the next begins' 200 '(.requests | length == 2) and .more == true and (.next | type) == "number" and has("missed") and has("dropped")' GET '/_sim/journal?limit=2'
    page_refuses 'all that is wrong is told' 400 'after: .*limit: .*endpoint: .*status: ' GET '/_sim/journal?after=-1&limit=1001&endpoint=adds&status=99'
}

walk_snapshots() {
    section 'Snapshots'
    local id psid before
    add PSID SNAPSHOT
    hub 'what there is' 200 "$GOOD" true GET '/integration/payment?pageSize=1000'
    before=$(of '[.data.totalElements, .data.content[].id] | tojson')
    page 'it is saved' 200 '.done == "saved"' POST /_sim/snapshots '{"name":"walk.1"}'
    page 'it is listed' 200 '.snapshots | map(select(.name == "walk.1")) | length == 1 and (.[0] | keys == ["at","name"])' GET /_sim/snapshots
    page 'it is exported' 200 '.format == "asaanbill-sim-snapshot" and .version == 1 and (.tables | type) == "object"' GET /_sim/export
    printf '%s' "$body" >"$folder/snapshot"
    jq -c '.version = 99' "$folder/snapshot" >"$folder/newer"
    page 'a reset' 200 '.done == "reset"' POST /_sim/reset
    hub 'forgets everything' 200 "$GOOD" '.data.totalElements == 0' GET /integration/payment
    page 'what was saved comes back' 200 '.done == "restored"' POST /_sim/snapshots/walk.1/restore
    hub 'all of it' 200 "$GOOD" "([.data.totalElements, .data.content[].id]) == $before" GET '/integration/payment?pageSize=1000'
    page 'a reset' 200 '.done == "reset"' POST /_sim/reset
    page 'what was exported comes back' 200 '.done == "imported"' POST /_sim/import "@$folder/snapshot"
    hub 'all of it' 200 "$GOOD" "([.data.totalElements, .data.content[].id]) == $before" GET '/integration/payment?pageSize=1000'
    page_refuses 'one of a newer version' 400 'version 99' POST /_sim/import "@$folder/newer"
    page_refuses 'no snapshot' 400 'snapshot' POST /_sim/import '{}'
    page_refuses 'no name' 400 'name' POST /_sim/snapshots '{"name":"a b"}'
    page 'it is deleted' 200 '.done == "deleted"' DELETE /_sim/snapshots/walk.1
    page_refuses 'once' 404 'there is no snapshot' DELETE /_sim/snapshots/walk.1
    page_refuses 'what is gone stays gone' 404 'there is no snapshot' POST /_sim/snapshots/walk.1/restore
}

walk_metrics() {
    section 'Figures'
    send GET /_sim/metrics
    was 'they come' 200 '# TYPE asaanbill_sim_payments gauge'
    had_header 'as text for Prometheus' content-type 'text/plain; version=0.0.4'
    was 'those of what comes and goes are announced' 200 '# TYPE asaanbill_sim_deliveries gauge'
    local line
    for line in asaanbill_sim_requests_total asaanbill_sim_journal_dropped_total asaanbill_sim_faults_fired_total 'asaanbill_sim_payments\{channel="23"\}' \
        asaanbill_sim_open_batches asaanbill_sim_clock_seconds; do
        grep -Eq "^$line [0-9]+$" <<<"$body" && tell "${line//\\/}" yes || tell "${line//\\/}" no "a line $line"
    done
    page 'the simulator is left empty' 200 '.done == "reset"' POST /_sim/reset
    page 'the clock goes again' 200 '.mode == "real"' POST /_sim/clock '{"mode":"real"}'
}

# On a simulator where all of them are set.
walk_leniencies() {
    section 'Leniencies, on a simulator that has them'
    token=$(log_in demo demo)
    hub 'no generationTypes is PSID' 200 "$GOOD" '.data.psid | length == 24' POST /integration/add "$(payment "$(bill LENIENT)")"
    hub 'an unknown one is still none' 400 'Invalid generationTypes' true POST "$ADD=psid" "$(payment "$(bill LENIENT)")"
    hub 'numbers for strings' 200 "$GOOD" '$raw | contains("\"amount\":50.0,")' POST "$ADD=PSID" "$(payment "$(bill LENIENT-2 | jq -c '.amount = 50')")"
    hub 'a search that finds nothing' 404 "$NO_PAYMENT" true GET /integration/search/999999999999999999999999
    hub 'a fault by header is none' 200 "$GOOD" true GET /integration/payment '' -H 'x-sim-fault: status'
    hub 'a magic value is none' 200 "$GOOD" true POST "$ADD=PSID" "$(payment "$(bill 'fault:status')")"
    page 'faults say so' 200 '.strict == true' GET /_sim/faults
    local id psid
    add PSID LENIENT-3
    bank_user=switch page "the bank's own credentials" 200 '.response_Code == "00"' POST /api/1.0/Payments/BillInquiry "$(bill_inquiry "$psid")" -H 'password: open sesame'
    bank_user=1bill page 'and no others' 401 '.response_Code == "04"' POST /api/1.0/Payments/BillInquiry "$(bill_inquiry "$psid")" -H 'password: 1bill'
    send POST "$BULK" "$(batch "$(bill LENIENT-4)")"
    local bulk_id seen=
    bulk_id=$(of .data.bulkPaymentRequestId)
    for _ in 1 2 3; do
        send GET "/integration/bulk-payment-request/$bulk_id"
        seen+=" $(of .data.status)"
    done
    [[ $seen == ' DRAFT IN_PROCESS PROCESSED' ]] && tell 'batches go on by polls' yes || tell 'batches go on by polls' no "DRAFT IN_PROCESS PROCESSED, got$seen"
}
