//! The identifier rule: one PSID for each identifier, for ever, and an unpaid bill makes way for a newer one.

use crate::story::check;

#[tokio::test]
async fn a_newer_bill_takes_over_the_psid_and_discards_the_unpaid_one() {
    check(
        "
        add FS-095 50       -> A APPROVED psid 1
        add FS-095 70       -> A DISCARD psid 1; B APPROVED psid 1
        add FS-095 70       -> B DISCARD psid 1; C APPROVED psid 1
        pay 1 70 R1         -> C PROCESSED psid 1
        add FS-095 90       -> D APPROVED psid 1
        add FS-095 95       -> D DISCARD psid 1; E APPROVED psid 1
        pay 1 95 R2         -> E PROCESSED psid 1
        ",
    )
    .await;
}

#[tokio::test]
async fn other_identifiers_are_left_alone() {
    check(
        "
        add FS-095 50       -> A APPROVED psid 1
        add FS-096 50       -> B APPROVED psid 2
        add fs-095 50       -> C APPROVED psid 3
        add FS-0 50         -> D APPROVED psid 4
        add FS-096 60       -> B DISCARD psid 2; E APPROVED psid 2
        ",
    )
    .await;
}

#[tokio::test]
async fn a_refused_bill_discards_nothing() {
    check(
        "
        add FS-095 50       -> A APPROVED psid 1
        add FS-095 0        -> 400 Invalid amount, Invalid amountAfterDueDate
        add FS-095 50 5x    -> 400 Invalid amountAfterDueDate
        add FS-096 1e3      -> 400 Invalid amount, Invalid amountAfterDueDate
        add FS-096 50       -> B APPROVED psid 2
        ",
    )
    .await;
}

#[tokio::test]
async fn the_rule_is_the_same_for_every_kind() {
    check(
        "
        add SHOP 50         -> A APPROVED psid 1
        print SHOP 50       -> A DISCARD psid 1; B APPROVED psid 1
        open SHOP           -> B DISCARD psid 1; C APPROVED psid 1
        sale 5 SHOP         -> C DISCARD psid 1; D APPROVED psid 1
        open SHOP           -> D DISCARD psid 1; E APPROVED psid 1
        pay 1 20 R1         -> F PROCESSED psid 1
        bulk SHOP 9         -> E DISCARD psid 1; G APPROVED psid 1
        ",
    )
    .await;
}

#[tokio::test]
async fn payments_without_an_identifier_never_share() {
    check(
        "
        sale 100            -> A APPROVED psid 1
        sale 100            -> B APPROVED psid 2
        open                -> C APPROVED psid 3
        add 1 50            -> D APPROVED psid 4
        add 3 50            -> E APPROVED psid 5
        ",
    )
    .await;
}

#[tokio::test]
async fn of_repeats_in_a_batch_the_last_one_wins() {
    check(
        "
        add X 5                  -> A APPROVED psid 1
        bulk X 1, Y 2, X 3, Y 4  -> A DISCARD psid 1; B DISCARD psid 1; C DISCARD psid 2; D APPROVED psid 1; E APPROVED psid 2
        pay 1 3 R1               -> D PROCESSED psid 1
        bulk X 7, Z 8            -> F APPROVED psid 1; G APPROVED psid 3
        ",
    )
    .await;
}

/// A bad row discards nothing and takes no number.
#[tokio::test]
async fn a_bad_row_changes_nothing() {
    check(
        "
        add X 5             -> A APPROVED psid 1
        bulk X 0, Y 2       -> B APPROVED psid 2
        bulk X 0            -> 400 Invalid bulk payment request, please refer to the \"status\" of each payment
        bulk Z 3            -> C APPROVED psid 3
        ",
    )
    .await;
}
