//! What the simulator's own pages call the eight operations.

use asaanbill_wire::Endpoint;

/// The name of an operation on the simulator's own pages: one word that needs no escaping in an address.
pub(crate) fn endpoint_name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Login => "login",
        Endpoint::Add => "add",
        Endpoint::AddBulk => "add-bulk",
        Endpoint::BulkRequests => "bulk-requests",
        Endpoint::BulkRequest => "bulk-request",
        Endpoint::Payments => "payments",
        Endpoint::Payment => "payment",
        Endpoint::Search => "search",
    }
}

/// The operation of a name.
pub(crate) fn read_endpoint_name(name: &str) -> Option<Endpoint> {
    Endpoint::ALL.iter().copied().find(|endpoint| endpoint_name(*endpoint) == name)
}

/// All names, for messages.
pub(crate) fn endpoint_names() -> String {
    Endpoint::ALL.iter().map(|endpoint| endpoint_name(*endpoint)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{endpoint_name, endpoint_names, read_endpoint_name};
    use asaanbill_wire::Endpoint;

    #[test]
    fn names_lead_back() {
        for endpoint in Endpoint::ALL {
            assert_eq!(read_endpoint_name(endpoint_name(*endpoint)), Some(*endpoint));
        }
        assert_eq!(read_endpoint_name("adds"), None);
        assert_eq!(endpoint_names(), "login, add, add-bulk, bulk-requests, bulk-request, payments, payment, search");
    }
}
