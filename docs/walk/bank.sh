# shellcheck shell=bash
# The bank's side: what a payer's app and a bank's switch may do.

walk_bank() {
    walk_paying
    walk_due_day
    walk_codes
    walk_onebill
}

inquire() { page "$1" 200 "$2" POST /_sim/inquire "{\"psid\":\"$psid\"}"; }

walk_paying() {
    section 'Paying'
    local id psid
    at 2025-01-10T05:22:30Z
    add PSID PAY 50 55
    inquire 'what an unpaid bill owes' '. == {"psid":"'"$psid"'","status":"unpaid","title":"Muhammad Mahd Sheikh","due_date":"2025-01-31","amount":"50","amount_after_due_date":"55","payable":"50","any_amount":false,"reason":null}'
    page 'not the sum that is owed' 409 '.error == "the amount must be 50 rupees"' POST /_sim/pay "$(pay "$psid" 49.99 P-1)"
    page 'paid' 200 ".id == $id and .status == \"PROCESSED\" and .paidAt == \"10:22AM 10-Jan-2025\" and .psid == \"$psid\" and .amount == \"50\"" \
        POST /_sim/pay "$(pay "$psid" 50 P-1)"
    local paid=$body
    page 'the same reference again is the same payment' 200 ". == $paid" POST /_sim/pay "$(pay "$psid" 50 P-1)"
    page 'another reference' 409 '.error == "already paid under another reference"' POST /_sim/pay "$(pay "$psid" 50 P-2)"
    inquire 'what a paid bill owes' '.status == "paid" and .payable == null and (.reason | type) == "string"'
    hub 'the hub shows it as paid' 200 "$GOOD" ".data == $paid" GET "/integration/payment/$id"
    page 'a PSID that nobody has' 404 '.error == "no payment has this PSID"' POST /_sim/pay "$(pay 999999999999999999999999 50 P-3)"
    page 'an inquiry for it' 404 '.error == "no payment has this PSID"' POST /_sim/inquire '{"psid":"999999999999999999999999"}'
    local wrong
    for wrong in '' '{}' '{"psid":"1"}' "$(pay 1 50 P)" "$(pay "$psid" x P)" "$(pay "$psid" 50 '')"; do
        page "no payment: $wrong" 400 '.error | type == "string"' POST /_sim/pay "$wrong"
    done
    for wrong in '' '{}' '{"psid":"1"}' '{"qr":"1"}' "{\"psid\":\"$psid\",\"qr\":\"1\"}"; do
        page "no inquiry: $wrong" 400 '.error | type == "string"' POST /_sim/inquire "$wrong"
    done
}

walk_due_day() {
    section 'The due day: to its end in Karachi, which is 19:00 UTC'
    local id psid
    add PSID DUE 50 55.5
    local early=$psid
    add PSID DUE-LATE 50 55.5
    at 2025-01-31T18:59:59Z
    inquire 'the last second of the due day' '.payable == "50" and .status == "unpaid"'
    psid=$early page 'the later amount is not owed yet' 409 '.error == "the amount must be 50 rupees"' POST /_sim/pay "$(pay "$early" 55.5 D-1)"
    page 'paid in the last second' 200 '.status == "PROCESSED" and .paidAt == "11:59PM 31-Jan-2025"' POST /_sim/pay "$(pay "$early" 50.00 D-1)"
    at 2025-01-31T19:00:00Z
    inquire 'the first second after the due day' '.payable == "55.5" and .status == "unpaid"'
    page 'the amount within it is not enough' 409 '.error == "the amount must be 55.5 rupees"' POST /_sim/pay "$(pay "$psid" 50 D-2)"
    page 'paid in the first second after it' 200 '.status == "PROCESSED" and .paidAt == "12:00AM 01-Feb-2025"' POST /_sim/pay "$(pay "$psid" 55.50 D-2)"
    at 2025-01-10T05:22:30Z
}

walk_codes() {
    section 'QR codes'
    local id psid
    add SQRC_WITH_AMOUNT CODE 50 55
    page 'a static code is scanned' 200 ".psid == \"$psid\" and .payable == \"50\"" POST /_sim/inquire "$(jq -c '{qr: .data.qrString}' <<<"$body")"
    page 'a static code is paid' 200 '.status == "PROCESSED"' POST /_sim/pay "$(pay "$psid" 50 C-1)"
    page 'and no second time' 409 true POST /_sim/pay "$(pay "$psid" 50 C-2)"

    local dynamic='{"payment":{"title":"Film","identifier":"HOUR-1","amount":"1500","longitude":"72.9","latitude":"33.6"}}'
    send POST "$ADD=DQRC" "$dynamic"
    psid=$(of .data.psid)
    local first=$psid code
    send POST "$ADD=DQRC" "${dynamic/HOUR-1/HOUR-2}"
    psid=$(of .data.psid) id=$(of .data.id) code=$(jq -c '{qr: .data.qrString}' <<<"$body")
    page 'the clock goes on by 3599 s' 200 '.now == "2025-01-10T06:22:29Z"' POST /_sim/clock '{"advance_seconds":3599}'
    page 'a dynamic code is payable at 3599 s' 200 '.status == "PROCESSED" and .paidAt == "11:22AM 10-Jan-2025"' POST /_sim/pay "$(pay "$first" 1500 C-3)"
    page 'the clock goes on by a second' 200 '.now == "2025-01-10T06:22:30Z"' POST /_sim/clock '{"advance_seconds":1}'
    page 'and not at 3600 s' 409 '.error == "this dynamic QR code has expired"' POST /_sim/pay "$(pay "$psid" 1500 C-4)"
    page 'it is blocked for whoever scans it' 200 '.status == "blocked" and .payable == null' POST /_sim/inquire "$code"
    is 'it stays APPROVED: no status says expired' "$id" APPROVED

    send POST "$ADD=SQRC_WITHOUT_AMOUNT" '{"payment":{"title":"Ali Tuck Shop","identifier":"TEMPLATE"}}'
    psid=$(of .data.psid) id=$(of .data.id)
    inquire 'a template takes any amount' '.status == "unpaid" and .any_amount == true and .payable == null and .amount == null and .due_date == null'
    page 'it is paid' 200 ".status == \"PROCESSED\" and .amount == \"20\" and .psid == \"$psid\" and .id != $id" POST /_sim/pay "$(pay "$psid" 20 C-5)"
    local paid=$body
    page 'the same reference again is no second debit' 200 ". == $paid" POST /_sim/pay "$(pay "$psid" 20 C-5)"
    page 'it is paid once more' 200 ".status == \"PROCESSED\" and .amount == \"0.5\" and .id != $id and .id != $(jq .id <<<"$paid")" \
        POST /_sim/pay "$(pay "$psid" 0.5 C-6)"
    is 'the template stays APPROVED' "$id" APPROVED '.data.amount == null'
    hub 'each payment has its record' 200 "$GOOD" '[.data.content[] | .status] | sort == ["APPROVED","PROCESSED","PROCESSED"]' GET "/integration/search/$psid"
}

# A switch's message: NAME CODE FILTER PATH BODY.
switch() { bank_user=1bill page "$1" 200 ".response_Code == \"$2\" and ($3)" POST "/api/1.0/Payments/$4" "$5" -H 'password: 1bill'; }
bill_inquiry() { printf '{"consumer_number":"%s","bank_mnemonic":"HBL","reserved":""}' "$1"; }
bill_payment() {
    printf '{"consumer_number":"%s","tran_auth_id":"%s","transaction_amount":"%s","tran_date":"20250110","tran_time":"102230","bank_mnemonic":"HBL","reserved":""}' "$@"
}
# The members of an inquiry's answer have their widths, whatever they say.
WIDE='(.consumer_Detail | length == 30) and (.bill_status | length == 1) and (.due_date | length == 8) and (.amount_within_dueDate | length == 14)
    and (.amount_after_dueDate | length == 14) and (.billing_month | length == 4) and (.date_paid | length == 8) and (.amount_paid | length == 12)
    and (.tran_auth_Id | length == 6) and .reserved == ""'
NOBODY=999999999999999999999999

walk_onebill() {
    section 'The 1BILL interface'
    at 2025-01-10T05:22:30Z
    local id psid path
    add PSID ONEBILL 50 55.5
    for path in BillInquiry BillPayment; do
        page "$path without credentials" 401 '.response_Code == "04"' POST "/api/1.0/Payments/$path" "$(bill_inquiry "$psid")"
        bank_user=1bill page "$path with a wrong password" 401 '.response_Code == "04"' POST "/api/1.0/Payments/$path" "$(bill_inquiry "$psid")" -H 'password: x'
        bank_user=1bill page "$path over 4 MiB" 413 '.response_Code == "04"' POST "/api/1.0/Payments/$path" "@$folder/large" -H 'password: 1bill'
        send GET "/api/1.0/Payments/$path"
        was "GET $path" 405 ''
    done
    switch 'inquiry: unpaid' 00 "$WIDE and .consumer_Detail == \"Muhammad Mahd Sheikh          \" and .bill_status == \"U\" and .due_date == \"20250131\"
        and .amount_within_dueDate == \"+0000000005000\" and .amount_after_dueDate == \"+0000000005550\" and .billing_month == \"2501\"
        and .date_paid == \"        \" and .amount_paid == \"            \" and .tran_auth_Id == \"      \"" BillInquiry "$(bill_inquiry "$psid")"
    switch 'inquiry: nobody has the number' 01 "$WIDE" BillInquiry "$(bill_inquiry $NOBODY)"
    for path in '' 'no JSON' '{}' "$(bill_inquiry '')"; do switch "inquiry: unreadable: $path" 04 "$WIDE" BillInquiry "$path"; done
    switch 'payment: not what is owed' 04 '.Identification_parameter == ""' BillPayment "$(bill_payment "$psid" 123456 000000004999)"
    switch 'payment: nobody has the number' 01 true BillPayment "$(bill_payment $NOBODY 123456 000000005000)"
    for path in '' 'no JSON' '{}' "$(bill_payment "$psid" 12345 000000005000)" "$(bill_payment "$psid" 123456 5000)" \
        "$(bill_payment "$psid" 123456 000000005000 | jq -c '.tran_date = "20250230"')" "$(bill_payment "$psid" 123456 000000005000 | jq -c '.tran_time = "246000"')"; do
        switch "payment: unreadable: ${path:0:60}" 04 true BillPayment "$path"
    done
    switch 'payment' 00 ".Identification_parameter == \"$id\" and .reserved == \"\" and length == 3" BillPayment "$(bill_payment "$psid" 123456 000000005000)"
    switch 'payment: the same again' 03 ".Identification_parameter == \"$id\"" BillPayment "$(bill_payment "$psid" 123456 000000005000)"
    switch 'payment: by another transaction' 06 true BillPayment "$(bill_payment "$psid" 123457 000000005000)"
    switch 'inquiry: paid' 00 "$WIDE and .bill_status == \"P\" and .date_paid == \"20250110\" and .amount_paid == \"000000005000\" and .tran_auth_Id == \"123456\"" \
        BillInquiry "$(bill_inquiry "$psid")"
    is 'the hub shows it as paid' "$id" PROCESSED
    add PSID ONEBILL-WIDE 999999999999 999999999999
    switch 'inquiry: an amount too wide for its field' 05 "$WIDE" BillInquiry "$(bill_inquiry "$psid")"
    send POST "$ADD=SQRC_WITHOUT_AMOUNT" '{"payment":{"title":"Ali Tuck Shop","identifier":"ONEBILL-TEMPLATE"}}'
    psid=$(of .data.psid)
    switch 'inquiry: any amount' 00 "$WIDE and .bill_status == \"U\" and .amount_within_dueDate == \"              \" and .due_date == \"        \"" BillInquiry "$(bill_inquiry "$psid")"
    switch 'payment: of any amount' 00 true BillPayment "$(bill_payment "$psid" 123456 000000000150)"
    send POST "$ADD=DQRC" '{"payment":{"amount":"1500","longitude":"72.9","latitude":"33.6"}}'
    psid=$(of .data.psid)
    at 2025-01-10T06:22:30Z
    switch 'inquiry: the hour is over' 02 "$WIDE and .bill_status == \"B\" and .due_date == \"20250110\"" BillInquiry "$(bill_inquiry "$psid")"
    switch 'payment: the hour is over' 02 true BillPayment "$(bill_payment "$psid" 123456 000000150000)"
    at 2025-01-10T05:22:30Z
}
