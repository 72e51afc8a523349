//! The table of operations that a client and a hub share.
//!
//! guide:addr-1 guide:addr-6

use std::fmt::Display;

use http::Method;

/// Where the hub's staging system is. (Guide, Base URL; the spelling is theirs) No address of a production system is
/// documented.
pub const STAGING_BASE: &str = "https://mypaymenhub-stg.evampsaanga.com/payment-hub/integration";

/// The path segment with which the base ends and every endpoint begins. Read literally the guide doubles it; a client
/// joins to one by default, and a hub serves both. (assumed)
pub const SEGMENT: &str = "integration";

/// The header with the token of a login. (Guide, Common Request Headers)
pub const TOKEN_HEADER: &str = "x-auth-ph-key";

/// The header with the channel's number. (Guide, Common Request Headers)
pub const CHANNEL_HEADER: &str = "channel-id";

/// The header with the user's name, also for login. (Guide, Common Request Headers)
pub const USERNAME_HEADER: &str = "username";

/// One of the hub's eight operations. (Guide, Endpoints)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Trades a password for a token.
    Login,
    /// Adds one payment.
    Add,
    /// Adds a batch of at most 5000 payments.
    AddBulk,
    /// Lists batches.
    BulkRequests,
    /// One batch with all its payments.
    BulkRequest,
    /// Lists payments that have a PSID.
    Payments,
    /// One payment by its record's number.
    Payment,
    /// All payments of one PSID.
    Search,
}

/// What a user must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Add payments.
    Add,
    /// Read payments and batches.
    Read,
}

impl Endpoint {
    /// All operations, in the guide's order.
    pub const ALL: &[Self] = &[
        Self::Login,
        Self::Add,
        Self::AddBulk,
        Self::BulkRequests,
        Self::BulkRequest,
        Self::Payments,
        Self::Payment,
        Self::Search,
    ];

    /// The HTTP method.
    pub fn method(self) -> Method {
        match self {
            Self::Login | Self::Add | Self::AddBulk => Method::POST,
            Self::BulkRequests | Self::BulkRequest | Self::Payments | Self::Payment | Self::Search => Method::GET,
        }
    }

    /// The path after the base, with `{id}` or `{psid}` where a value belongs. Spelt as on the guide's "Endpoint" lines: its
    /// prose misspells some.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Login => "/login",
            Self::Add => "/add",
            Self::AddBulk => "/add-bulk",
            Self::BulkRequests => "/bulk-payment-request",
            Self::BulkRequest => "/bulk-payment-request/{id}",
            Self::Payments => "/payment",
            Self::Payment => "/payment/{id}",
            Self::Search => "/search/{psid}",
        }
    }

    /// The path after the base, with `value` in its place; endpoints without one ignore it.
    pub fn path(self, value: impl Display) -> String {
        match self.template().split_once('{') {
            Some((before, _)) => format!("{before}{value}"),
            None => self.template().into(),
        }
    }

    /// What the user must be allowed to do; `None` where nobody is logged in yet.
    pub fn permission(self) -> Option<Permission> {
        match self {
            Self::Login => None,
            Self::Add | Self::AddBulk => Some(Permission::Add),
            Self::BulkRequests | Self::BulkRequest | Self::Payments | Self::Payment | Self::Search => {
                Some(Permission::Read)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn the_table() {
        let row = |e: &Endpoint| format!("{:<4} {:<27} {:?}", e.method(), e.template(), e.permission());
        let table: Vec<_> = Endpoint::ALL.iter().map(row).collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn a_value_takes_its_place() {
        assert_eq!(Endpoint::Payment.path(25), "/payment/25");
        assert_eq!(Endpoint::Search.path("100139100100154854584585"), "/search/100139100100154854584585");
        assert_eq!(Endpoint::Payments.path(25), "/payment");
    }
}
