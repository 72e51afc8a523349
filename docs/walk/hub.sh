# shellcheck shell=bash
# The hub's eight operations: what the guide says of each, and what each says if it is asked wrongly.

# From the beginning: nothing is stored, and the clock stands at the hour of the guide's sample.
walk_start() {
    journal=$(journal_end)
    section 'A hub with nothing in it'
    page 'it is alive' 200 '.status == "ok"' GET /_sim/health
    page 'it is ready' 200 '.status == "ready"' GET /_sim/ready
    page 'its settings are those that this walk is for' 200 \
        '.settings | map(select(.name | test("^(accept|missing|empty|bank|strict)")).value) | . == ["false","false","false","1bill","not shown","false"]' \
        GET /_sim/settings
    page 'everything is forgotten' 200 '.done == "reset"' POST /_sim/reset
    page 'the clock is set, and stands' 200 '.now == "2025-01-10T05:22:30Z" and .mode == "frozen"' \
        POST /_sim/clock '{"set":"2025-01-10T10:22:30+05:00"}'
}

walk_hub() {
    walk_login
    walk_paths
    walk_order_of_checks
    walk_headers
    walk_adding
    walk_what_is_refused
    walk_identifier_rule
    walk_bulk
    walk_reading
    walk_channels
}

walk_login() {
    section 'Login'
    local token=- channel=-
    hub 'login' 200 "$GOOD" '.data | keys == ["channel","token","user"] and .channel == {"id":23,"name":"Evamp & Saanga"}
        and (.user | keys == ["firstName","lastName"]) and (.token | test("^[A-Za-z0-9+/]{342}==$"))' \
        POST /integration/login '{"password":"demo"}'
    hub 'login: wrong password' 404 "$NO_USER" true POST /integration/login '{"password":"Demo"}'
    hub 'login: empty password' 404 "$NO_USER" true POST /integration/login '{"password":""}'
    user=nobody hub 'login: unknown user' 404 "$NO_USER" true POST /integration/login '{"password":"demo"}'
    user=- hub 'login: no username' 400 'Missing header: username' true POST /integration/login '{"password":"demo"}'
    content_type=text/plain hub 'login: not JSON by its type' 400 "$BODY" true POST /integration/login '{"password":"demo"}'
    content_type=- hub 'login: no content type' 400 "$BODY" true POST /integration/login '{"password":"demo"}'
    local wrong
    for wrong in '' 'demo' '{}' '[]' '{"password":null}' '{"password":1}' '{"password":"demo"}}'; do
        hub "login: $BODY: $wrong" 400 "$BODY" true POST /integration/login "$wrong"
    done
}

walk_paths() {
    section 'Paths, methods and sizes'
    token=$(log_in demo demo)
    viewer=$(log_in viewer viewer)
    [[ $token != "$viewer" ]] && tell 'two logins have two tokens' yes || tell 'two logins have two tokens' no
    local base path
    for base in /payment-hub/integration /payment-hub/integration/integration /integration /integration/integration; do
        hub "the base $base" 200 "$GOOD" '.data.content == []' GET "$base/payment"
    done
    for path in / /integration /integration/adds /integration/search /integration/payment/1/2 /add /elsewhere/add \
        /integration/bulkpayment-request/1; do
        hub "unknown path $path" 404 'The requested resource does not exist' true GET "$path"
    done
    for path in add add-bulk login; do
        hub "GET $path" 405 'Method not allowed' true GET "/integration/$path"
        had_header "GET $path: what is allowed" allow POST
    done
    for path in payment payment/1 search/1 bulk-payment-request bulk-payment-request/1; do
        hub "POST $path" 405 'Method not allowed' true POST "/integration/$path" '{}'
        had_header "POST $path: what is allowed" allow GET
    done
    jq -nr '" " * 4194305' >"$folder/large"
    for path in 'add?generationTypes=PSID' 'add-bulk?contentType=JSON' login; do
        hub "a body over 4 MiB to ${path%\?*}" 413 'Request body too large' true POST "/integration/$path" "@$folder/large"
    done
}

# A request that is wrong in every way, mended one way after another.
walk_order_of_checks() {
    section 'The order of checks: token, other headers, role, query, body'
    local path query message
    for path in add add-bulk; do
        query='generationTypes=PSID' message='Invalid generationTypes'
        [[ $path == add ]] || query='contentType=JSON' message='Invalid contentType'
        local wrong=(POST "/integration/$path?x=y" 'no JSON') right=(POST "/integration/$path?$query" 'no JSON')
        token=- user=- channel=- hub "$path: no token" 401 "$NO_TOKEN" true "${wrong[@]}"
        token=unknown user=- channel=- hub "$path: unknown token" 401 "$NO_TOKEN" true "${wrong[@]}"
        token=$viewer user=- channel=- hub "$path: no username" 400 'Missing header: username' true "${wrong[@]}"
        token=$viewer user=demo channel=- hub "$path: another's token" 401 "$NO_TOKEN" true "${wrong[@]}"
        token=$viewer user=viewer channel=- hub "$path: no channel" 400 'Missing header: channel-id' true "${wrong[@]}"
        token=$viewer user=viewer channel=x hub "$path: no number" 400 'Invalid channel-id' true "${wrong[@]}"
        token=$viewer user=viewer channel=24 hub "$path: another channel" 403 "$FORBIDDEN" true "${wrong[@]}"
        token=$viewer user=viewer hub "$path: a role that may not" 403 "$FORBIDDEN" true "${wrong[@]}"
        hub "$path: the query" 400 "$message" true "${wrong[@]}"
        content_type=text/plain hub "$path: the content type" 400 "$BODY" true "${right[@]}"
        hub "$path: the body" 400 "$BODY" true "${right[@]}"
    done
    hub 'nothing of it was stored' 200 "$GOOD" '.data.totalElements == 0' GET /integration/payment
}

walk_headers() {
    section 'Every operation needs the three headers'
    local operation
    for operation in 'POST /integration/add?generationTypes=PSID' "POST $BULK" \
        'GET /integration/bulk-payment-request?contentType=JSON' 'GET /integration/bulk-payment-request/1' \
        'GET /integration/payment' 'GET /integration/payment/1' 'GET /integration/search/100139000000000000000001'; do
        local ask=("${operation%% *}" "${operation#* }" '{}')
        token=- hub "$operation: no token" 401 "$NO_TOKEN" true "${ask[@]}"
        token=x hub "$operation: unknown token" 401 "$NO_TOKEN" true "${ask[@]}"
        user=viewer hub "$operation: another's token" 401 "$NO_TOKEN" true "${ask[@]}"
        user=- hub "$operation: no username" 400 'Missing header: username' true "${ask[@]}"
        channel=- hub "$operation: no channel" 400 'Missing header: channel-id' true "${ask[@]}"
        channel=2x hub "$operation: channel 2x" 400 'Invalid channel-id' true "${ask[@]}"
        channel=24 hub "$operation: channel 24" 403 "$FORBIDDEN" true "${ask[@]}"
    done
}

ADDED='["amount","amountAfterDueDate","billedToAddress","billedToContact","billedToName","createdAt","dueDate","id",
    "identifier","identifierDescription","paymentDetails","period","psid","qrString","status","title","updatedAt"]'
LISTED='["amount","amountAfterDueDate","billedToAddress","billedToContact","billedToName","createdAt","dueDate","id",
    "identifier","paidAt","paymentDetails","psid","qrString","status","title"]'
# What every added payment has, whatever its kind.
WHOLE='(.data | .status == "APPROVED" and .paymentDetails == [] and (.psid | test("^[0-9]{24}$"))
    and (.qrString | test("^000201.*6304[0-9A-F]{4}$")))'

walk_adding() {
    section 'Adding: the four kinds, and how each value is written'
    hub 'PSID' 200 "$GOOD" "$WHOLE and (.data | keys == $ADDED and .dueDate == \"31-01-2025\"
        and .createdAt == \"10:22 AM 10-Jan-2025\" and .updatedAt == .createdAt and .identifier == \"FS-BSCS-095\"
        and ([.period,.identifierDescription,.billedToName,.billedToAddress,.billedToContact] | unique) == [null])
        and (\$raw | contains(\"\\\"amount\\\":50.0,\\\"amountAfterDueDate\\\":55.0,\"))" \
        POST "$ADD=PSID" "$(payment "$(bill FS-BSCS-095)")"
    id=$(of .data.id) psid=$(of .data.psid)
    hub 'by id: amounts are strings as they came, dates the other way round' 200 "$GOOD" \
        ".data | keys == $LISTED and .amount == \"50\" and .amountAfterDueDate == \"55\" and .dueDate == \"2025-01-31\"
        and .createdAt == \"10:22AM 10-Jan-2025\" and .paidAt == \"N/A\" and .psid == \"$psid\" and .id == $id
        and .title == \"Muhammad Mahd Sheikh\" and .paymentDetails == []" GET "/integration/payment/$id"
    local amount number
    for amount in 0.01=0.01 1400.5=1400.5 1234.50=1234.5 7=7.0 999999999999999.99=999999999999999.99; do
        number=${amount#*=} amount=${amount%=*}
        hub "amount $amount is answered as $number" 200 "$GOOD" "\$raw | test(\"\\\"amount\\\":${number/./\\\\.},\")" \
            POST "$ADD=PSID" "$(payment "$(bill "A-$amount" "$amount" "$amount")")"
        hub "amount $amount is listed as it came" 200 "$GOOD" ".data.amount == \"$amount\"" GET "/integration/payment/$(of .data.id)"
    done
    hub 'a past due date, and less after it' 200 "$GOOD" '.data.dueDate == "28-03-2024"' \
        POST "$ADD=PSID" "$(payment "$(bill PAST 50 40 2024-03-28)")"
    hub 'SQRC_WITH_AMOUNT' 200 "$GOOD" "$WHOLE and (.data.qrString | startswith(\"000201010211\"))" \
        POST "$ADD=SQRC_WITH_AMOUNT" "$(payment "$(bill SQRC-1)")"
    hub 'SQRC_WITHOUT_AMOUNT' 200 "$GOOD" "$WHOLE and (.data | .identifier == \"ali-tuck-shop-1\" and .amount == null and .dueDate == null)" \
        POST "$ADD=SQRC_WITHOUT_AMOUNT" \
        '{"payment":{"title":"Ali Tuck Shop","identifier":"ali-tuck-shop-1","description":"the static code of a shop"}}'
    hub 'SQRC_WITHOUT_AMOUNT without an identifier has its number' 200 "$GOOD" "$WHOLE and (.data | .identifier == (.id | tostring))" \
        POST "$ADD=SQRC_WITHOUT_AMOUNT" '{"payment":{"title":"Ali Tuck Shop"}}'
    hub 'DQRC' 200 "$GOOD" "$WHOLE and (.data | .identifier == \" Ticket-7\" and .dueDate == null and (.qrString | startswith(\"000201010212\")))" \
        POST "$ADD=DQRC" '{"payment":{"title":"Film","identifier":" Ticket-7","amount":"1500","description":"a film","longitude":"72.996636","latitude":"33.646342"}}'
    hub 'DQRC with what it needs alone' 200 "$GOOD" "$WHOLE and (.data | .title == null and .identifier == (.id | tostring))" \
        POST "$ADD=DQRC" '{"payment":{"amount":"999999.99","longitude":"-180","latitude":"90"}}'
}

# What may not be: KIND FIELD VALUE-AS-JSON MESSAGE, beside the fields of a good one.
refuse() {
    local whole
    case $1 in
    DQRC) whole='{"amount":"1","longitude":"72.9","latitude":"33.6"}' ;;
    SQRC_WITHOUT_AMOUNT) whole='{"title":"Shop"}' ;;
    *) whole=$(bill REFUSED) ;;
    esac
    local wrong
    wrong=$(jq -c --arg field "$2" --argjson value "$3" '{payment: (if $value == "gone" then del(.[$field]) else .[$field] = $value end)}' <<<"$whole")
    hub "$1: $2 $3" 400 "$4" true POST "$ADD=$1" "$wrong"
}

walk_what_is_refused() {
    section 'Adding: what is refused'
    hub 'how many there were' 200 "$GOOD" true GET /integration/payment
    local before kind field value query
    before=$(of .data.totalElements)
    for query in '' '?generationTypes=' '?generationTypes=psid' '?generationTypes=QR' '?generationTypes=PSID&generationTypes=DQRC'; do
        hub "generationTypes: $query" 400 'Invalid generationTypes' true POST "/integration/add$query" "$(payment "$(bill REFUSED)")"
    done
    for value in '' 'no JSON' '{}' '[]' '{"payment":null}' '{"payment":[]}' "$(bill REFUSED)" "$(payment "$(bill REFUSED)")}"; do
        hub "no payment: ${value:0:40}" 400 "$BODY" true POST "$ADD=PSID" "$value"
    done
    for kind in PSID SQRC_WITH_AMOUNT; do
        for field in title identifier amount dueDate amountAfterDueDate; do
            for value in '"gone"' null '""' '"  "'; do refuse $kind $field "$value" "$field cannot be empty or null"; done
        done
    done
    for value in '"gone"' null '" "'; do
        refuse SQRC_WITHOUT_AMOUNT title "$value" 'title cannot be empty or null'
        for field in amount longitude latitude; do refuse DQRC $field "$value" "$field cannot be empty or null"; done
    done
    for value in 0 0.00 -5 +5 1,000 1e3 ' 50' '50 ' 50. .5 1.234 ٥٠ 1000000000000000; do
        refuse PSID amount "\"$value\"" 'Invalid amount'
        refuse PSID amountAfterDueDate "\"$value\"" 'Invalid amountAfterDueDate'
    done
    for value in 0 1000000 1000000.00 -1; do refuse DQRC amount "\"$value\"" 'Invalid amount'; done
    for value in 2025-02-30 28-03-2024 2025-1-1 2025/01/31 20250131 tomorrow; do refuse PSID dueDate "\"$value\"" 'Invalid dueDate'; done
    for value in 90.1 -90.1 1e1 east; do refuse DQRC latitude "\"$value\"" 'Invalid latitude'; done
    for value in 180.1 -180.1 north; do refuse DQRC longitude "\"$value\"" 'Invalid longitude'; done
    for value in 50 true '["50"]' '{"a":"b"}'; do refuse PSID amount "$value" "$BODY"; done
    hub 'several are told at once' 400 'title cannot be empty or null, Invalid amount' true POST "$ADD=PSID" \
        "$(payment "$(bill REFUSED 0 | jq -c '.title = ""')")"
    hub 'a refused request stores nothing' 200 "$GOOD" ".data.totalElements == $before" GET /integration/payment
}

# Whether a record has this status: NAME ID STATUS [FILTER].
is() { hub "$1" 200 "$GOOD" ".data.status == \"$3\" and (${4:-true})" GET "/integration/payment/$2"; }

walk_identifier_rule() {
    section 'The identifier rule: one PSID for each identifier'
    local first second third number
    add PSID RULE 50 && first=$id number=$psid
    send POST "$ADD=PSID" "$(payment "$(bill RULE 0)")"
    is 'a refused re-add leaves the first as it is' "$first" APPROVED ".data.psid == \"$number\""
    hub 'a re-add takes the PSID over' 200 "$GOOD" ".data.psid == \"$number\" and .data.id != $first" \
        POST "$ADD=PSID" "$(payment "$(bill RULE 70 75)")"
    second=$(of .data.id)
    is 'the first is discarded, as it was not paid' "$first" DISCARD ".data.psid == \"$number\" and .data.paidAt == \"N/A\""
    page 'the second is paid' 200 ".status == \"PROCESSED\" and .id == $second" POST /_sim/pay "$(pay "$number" 70 B-1)"
    hub 'a third takes the PSID over, of another kind' 200 "$GOOD" ".data.psid == \"$number\"" \
        POST "$ADD=SQRC_WITH_AMOUNT" "$(payment "$(bill RULE 90 95)")"
    third=$(of .data.id)
    is 'the paid one is never touched' "$second" PROCESSED '.data.paidAt == "10:22AM 10-Jan-2025"'
    hub 'search shows all three, newest first' 200 "$GOOD" \
        ".data | .totalElements == 3 and [.content[].id] == [$third,$second,$first] and [.content[].status] == [\"APPROVED\",\"PROCESSED\",\"DISCARD\"]
        and (.content[0] | keys == $LISTED)" GET "/integration/search/$number"
    hub 'white space makes another payer' 200 "$GOOD" ".data.psid != \"$number\" and .data.identifier == \" RULE\"" \
        POST "$ADD=PSID" "$(payment "$(bill ' RULE')")"
    # The record's number, shown as an identifier, is nobody's identifier.
    hub 'a default identifier is given' 200 "$GOOD" true POST "$ADD=SQRC_WITHOUT_AMOUNT" '{"payment":{"title":"Shop"}}'
    local default_id default_psid
    default_id=$(of .data.id) default_psid=$(of .data.psid)
    hub 'a default identifier takes no part in reuse' 200 "$GOOD" ".data.psid != \"$default_psid\"" POST "$ADD=PSID" "$(payment "$(bill "$default_id")")"
    is 'and is discarded by nothing' "$default_id" APPROVED
}

batch() { local IFS=,; printf '{"payments":[%s]}' "$*"; }

walk_bulk() {
    section 'Batches'
    local first twice value
    add PSID BULK-1 && first=$id twice=$psid
    local fine poor
    fine=$(bill BULK-1 1400 14550) poor=$(bill BULK-2 1000 '' 2024-08-31 | jq -c '.amountAfterDueDate = ""')
    hub 'rows good and bad' 200 "$PARTLY" '.data | keys == ["bulkPaymentRequestId","payments"] and ([.payments[].status]
        == ["PROCESSED","amountAfterDueDate cannot be empty or null","PROCESSED","Invalid amount"])
        and (.payments[0] | del(.status)) == {"title":"Muhammad Mahd Sheikh","identifier":"BULK-1","amount":"1400","dueDate":"2025-01-31","amountAfterDueDate":"14550"}
        and .payments[1].amountAfterDueDate == "" and .payments[1].dueDate == "2024-08-31"' \
        POST "$BULK" "$(batch "$fine" "$poor" "$(bill BULK-1 1500 1500)" "$(bill BULK-3 0)")"
    local bulk_id
    bulk_id=$(of .data.bulkPaymentRequestId)
    if [[ $progress == by-hand ]]; then
        is 'a batch that only waits discards nothing' "$first" APPROVED
        hub 'its rows are drafts without a PSID' 200 "$GOOD" '.data.status == "DRAFT" and ([.data.payments.content[] | .status == "DRAFT" and .psid == null] | all)' \
            GET "/integration/bulk-payment-request/$bulk_id"
        hub 'drafts are not listed' 200 "$GOOD" '[.data.content[].status] | index("DRAFT") == null' GET '/integration/payment?pageSize=10000'
        page 'by hand: scheduled' 200 ".status == \"IN_PROCESS\" and .id == $bulk_id and .channel == 23" POST "/_sim/bulk/$bulk_id/advance"
        hub 'its rows are scheduled' 200 "$GOOD" '.data.status == "IN_PROCESS" and ([.data.payments.content[] | .status == "IN_PROCESS" and .psid == null] | all)' \
            GET "/integration/bulk-payment-request/$bulk_id"
        page 'by hand: assigned' 200 '.status == "PROCESSED"' POST "/_sim/bulk/$bulk_id/advance" '{"channel":23}'
        page 'by hand: nothing is left to do' 200 '.status == "PROCESSED"' POST "/_sim/bulk/$bulk_id/advance"
    else
        leave_out 'batches step by step, for which --bulk-progress by-hand is needed'
        settle
    fi
    hub 'the batch in detail' 200 "$GOOD" ".data | .bulkPaymentRequestId == $bulk_id and .uploadedAt == \"10-01-2025\" and .updatedAt == \"10:22AM 10-Jan-2025\"
        and .status == \"PROCESSED\" and (keys == [\"bulkPaymentRequestId\",\"payments\",\"status\",\"updatedAt\",\"uploadedAt\"])
        and (.payments | del(.content)) == {\"pageNo\":0,\"pageSize\":2147483647,\"totalNoOfElements\":2,\"totalPages\":1,\"isFirst\":null,\"isLast\":true}
        and ([.payments.content[] | [.status,.psid]] | sort) == [[\"APPROVED\",\"$twice\"],[\"DISCARD\",\"$twice\"]]
        and (.payments.content | map(select(.status == \"APPROVED\")) | map(.amount) == [1500])
        and (.payments.content[0] | keys == [\"amount\",\"amountAfterDueDate\",\"createdAt\",\"dueDate\",\"id\",\"identifier\",\"identifierDescription\",\"period\",\"psid\",\"status\",\"updatedAt\"]
            and .dueDate == \"31-01-2025\" and .createdAt == \"10:22AM 10-Jan-2025\" and .period == null and .identifierDescription == null)
        and (\$raw | contains(\"\\\"amount\\\":1500.0,\"))" GET "/integration/bulk-payment-request/$bulk_id"
    is 'the bill that was there before is discarded' "$first" DISCARD
    hub 'the list of batches' 200 "$GOOD" ".data | keys == [\"content\",\"isFirst\",\"isLast\",\"pageNo\",\"pageSize\",\"totalElements\",\"totalPages\"]
        and .pageSize == 100 and .isFirst == true and (.content[0] | .id == $bulk_id and .vouchersCount == 2 and .status == \"PROCESSED\" and .contentType == \"JSON\"
        and .fileName == null and .message == null and .createdAt == \"10:22AM 10-Jan-2025\"
        and keys == [\"contentType\",\"createdAt\",\"fileName\",\"id\",\"message\",\"status\",\"updatedAt\",\"vouchersCount\"])" \
        GET '/integration/bulk-payment-request?contentType=JSON'
    hub 'all rows good' 200 "$GOOD" '.data.bulkPaymentRequestId != null and [.data.payments[].status] == ["PROCESSED","PROCESSED"]' \
        POST "$BULK" "$(batch "$(bill BULK-4)" "$(bill BULK-5)")"
    local next_id
    next_id=$(of .data.bulkPaymentRequestId)
    if [[ $progress == by-hand ]]; then
        add PSID BULK-4 && first=$id
        page 'one row fails on demand' 200 '.errored == 1' POST "/_sim/bulk/$next_id/fail" '{"rows":[1],"why":"no such branch"}'
        page 'scheduled' 200 '.status == "IN_PROCESS"' POST "/_sim/bulk/$next_id/advance"
        page 'done' 200 true POST "/_sim/bulk/$next_id/advance"
        hub 'failed and overtaken rows are ERRORED, without a PSID' 200 "$GOOD" '[.data.payments.content[] | .status == "ERRORED" and .psid == null] | all' \
            GET "/integration/bulk-payment-request/$next_id"
        is 'and what overtook is untouched' "$first" APPROVED
    else
        settle
    fi
    hub 'newest batch first' 200 "$GOOD" "[.data.content[].id] == [$next_id,$bulk_id]" GET '/integration/bulk-payment-request?contentType=JSON'
    hub 'no batches came as CSV' 200 "$GOOD" '.data.content == [] and .data.totalElements == 0' GET '/integration/bulk-payment-request?contentType=CSV'
    hub 'batches by page' 200 "$GOOD" ".data | [.content[].id] == [$bulk_id] and .totalPages == 2 and .isFirst == false and .isLast == true" \
        GET '/integration/bulk-payment-request?contentType=JSON&pageNo=1&pageSize=1'
    section 'Batches: what is refused'
    hub 'all rows bad' 400 "$BAD_BATCH" '(.data | has("bulkPaymentRequestId") | not) and [.data.payments[].status] == ["Invalid amount","amountAfterDueDate cannot be empty or null"]' \
        POST "$BULK" "$(batch "$(bill BULK-1 0)" "$poor")"
    hub 'no rows' 400 'A bulk payment request has 1 to 5000 payments' true POST "$BULK" '{"payments":[]}'
    bill ROW | jq -c '{payments: [range(5001) as $n | .identifier = "ROW-\($n)"]}' >"$folder/rows"
    hub '5001 rows' 400 'A bulk payment request has 1 to 5000 payments' true POST "$BULK" "@$folder/rows"
    for value in '' 'no JSON' '{}' '[]' '{"payments":null}' '{"payments":{}}' '{"payments":["x"]}' "$(batch "$fine" "$(bill N | jq -c '.amount = 5')")"; do
        hub "no batch: ${value:0:30}" 400 "$BODY" true POST "$BULK" "$value"
    done
    for value in '' '?contentType=' '?contentType=json' '?contentType=CSV' '?contentType=JSON&contentType=JSON'; do
        hub "add-bulk$value" 400 'Invalid contentType' true POST "/integration/add-bulk$value" "$(batch "$fine")"
    done
    for value in '' '?contentType=' '?contentType=XML'; do
        hub "bulk-payment-request$value" 400 'Invalid contentType' true GET "/integration/bulk-payment-request$value"
    done
    for value in 999999 0 x -1; do
        hub "batch $value" 404 "$NO_BATCH" true GET "/integration/bulk-payment-request/$value"
    done
    hub 'nothing of it was stored' 200 "$GOOD" '.data.totalElements == 2' GET '/integration/bulk-payment-request?contentType=JSON'
    jq -c 'del(.payments[5000])' "$folder/rows" >"$folder/most"
    hub '5000 rows' 200 "$GOOD" '.data.payments | length == 5000 and .[4999].identifier == "ROW-4999"' POST "$BULK" "@$folder/most"
    [[ $progress == by-hand ]] || settle
}

walk_reading() {
    section 'Reading'
    local value
    for value in 999999 0 x -1 100139000000000000000001; do
        hub "payment $value" 404 "$NO_PAYMENT" true GET "/integration/payment/$value"
    done
    for value in 999999999999999999999999 1 x; do
        hub "search $value finds nothing" 200 "$GOOD" '.data | .content == [] and .totalElements == 0 and .totalPages == 0 and .isFirst and .isLast' \
            GET "/integration/search/$value"
    done
    hub 'the list' 200 "$GOOD" ".data | .pageNo == 0 and .pageSize == 100 and .isFirst == true and keys == [\"content\",\"isFirst\",\"isLast\",\"pageNo\",\"pageSize\",\"totalElements\",\"totalPages\"]
        and (.content[0] | keys == $LISTED) and ([.content[].status] | unique - [\"APPROVED\",\"PROCESSED\",\"DISCARD\"] == [])" GET /integration/payment
    # All of them, to compare pages with; the clock goes on, so that one is the last to be changed.
    at 2025-01-10T05:24:30Z
    add PSID LAST
    send GET '/integration/payment?pageSize=2147483647'
    local all total
    all=$(of '.data.content | map(.id) | tojson') total=$(of .data.totalElements)
    hub 'what changed last comes first' 200 "$GOOD" ".data.content[0].id == $id and .data.isLast == (.data.totalElements <= 100)" GET /integration/payment
    local size=$(((total + 2) / 3)) page together=
    for page in 0 1 2; do
        hub "page $page of 3" 200 "$GOOD" ".data | .pageNo == $page and .pageSize == $size and .totalElements == $total and .totalPages == 3
            and .isFirst == ($page == 0) and .isLast == ($page == 2)" GET "/integration/payment?pageNo=$page&pageSize=$size"
        together+=$(of '.data.content | map(.id) | tojson')
    done
    [[ $(jq -cs add <<<"$together") == "$all" ]] && tell 'the pages together are the list' yes || tell 'the pages together are the list' no "$all"
    hub 'past the end' 200 "$GOOD" '.data | .content == [] and .isFirst == false and .isLast == true' GET '/integration/payment?pageNo=3&pageSize=100000'
    local list name
    for list in /integration/payment? '/integration/bulk-payment-request?contentType=JSON&' /integration/search/1?; do
        for value in pageNo=-1 pageNo=x pageNo=1.5 pageSize=0 pageSize=-1 pageSize=x pageSize=2147483648; do
            name=${value%=*}
            hub "$list$value" 400 "Invalid $name" true GET "$list$value"
        done
    done
}

walk_channels() {
    section 'Roles and channels'
    local id psid
    add PSID PRIVATE
    page 'a user of another channel' 200 '.done == "stored"' POST /_sim/users '{"name":"till","password":"till","channel":24,"role":"full"}'
    local path
    for path in 'bulk-payment-request?contentType=JSON' bulk-payment-request/1 payment "payment/$id" "search/$psid"; do
        token=$viewer user=viewer hub "a viewer reads $path" 200 "$GOOD" true GET "/integration/$path"
    done
    local till
    till=$(log_in till till)
    local token=$till user=till channel=24
    hub "another channel's record" 404 "$NO_PAYMENT" true GET "/integration/payment/$id"
    hub "another channel's batch" 404 "$NO_BATCH" true GET /integration/bulk-payment-request/1
    for path in payment "search/$psid" 'bulk-payment-request?contentType=JSON'; do
        hub "another channel's $path" 200 "$GOOD" '.data.totalElements == 0' GET "/integration/$path"
    done
    hub 'the same identifier in another channel has another PSID' 200 "$GOOD" ".data.psid != \"$psid\"" POST "$ADD=PSID" "$(payment "$(bill PRIVATE)")"
    channel=23 hub "another's channel" 403 "$FORBIDDEN" true GET /integration/payment
}
