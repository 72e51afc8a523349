//! Whom the hub may call. The address that is connected to decides, never a name.
//!
//! guide:call-12

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// How many networks may be allowed: each address is held against all of them, and nobody lists more by hand.
pub(crate) const NETWORKS_MAX: usize = 64;

/// This machine.
const LOOPBACK: [IpNet; 2] = [
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// The leading bits of an IPv6 address that stands for an IPv4 address (`::ffff:0:0/96`).
const MAPPED_PREFIX: u8 = 96;

/// The networks whose addresses may be called: this machine, and what an operator adds. Call-backs hold payers' data, and
/// whoever sets an address could otherwise make the hub call what only the hub can reach.
///
/// An IPv4 address in IPv6's clothes (`::ffff:10.0.0.1`) is judged as the IPv4 address that it is. So `::/0` allows every
/// IPv6 address and no IPv4 address. `0.0.0.0` and `::`, which some systems take for themselves, are not this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetPolicy {
    /// Invariant: at most [`NETWORKS_MAX`], without bits behind the prefix, no mapped ones.
    allowed: Vec<IpNet>,
}

impl TargetPolicy {
    /// This machine only: 127.0.0.0/8 and `::1`.
    pub(crate) fn loopback_only() -> Self {
        Self { allowed: LOOPBACK.to_vec() }
    }

    /// This machine, and these networks as CIDR: `10.1.0.0/16`, `192.0.2.7/32`, `2001:db8::/32`.
    ///
    /// # Errors
    ///
    /// [`TargetPolicyError`] with everything that is wrong with the list.
    pub(crate) fn parse<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, TargetPolicyError> {
        let mut policy = Self::loopback_only();
        let mut problems = Vec::new();
        for (index, text) in networks.into_iter().enumerate() {
            if index == NETWORKS_MAX {
                problems.push(Problem { position: index + 1, what: Wrong::TooMany });
                break;
            }
            match network(text) {
                Ok(network) => policy.allowed.push(network),
                Err(what) => problems.push(Problem { position: index + 1, what }),
            }
        }
        if problems.is_empty() { Ok(policy) } else { Err(TargetPolicyError(problems)) }
    }

    /// Whether this address may be connected to.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(&address))
    }
}

impl Default for TargetPolicy {
    /// This machine only.
    fn default() -> Self {
        Self::loopback_only()
    }
}

/// One network. Bits behind the prefix are refused: who writes `10.0.0.1/8` may mean one address or sixteen million.
fn network(text: &str) -> Result<IpNet, Wrong> {
    let network: IpNet = text.trim().parse().map_err(|_| Wrong::NotCidr)?;
    if network != network.trunc() {
        return Err(Wrong::HostBits(network));
    }
    Ok(unmapped(network))
}

/// A network of mapped addresses is one of IPv4 addresses.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(MAPPED_PREFIX));
    v4.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}

/// Networks that can't be allowed as they are written. It names each by its place in the list, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetPolicyError(Vec<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    position: usize,
    what: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    NotCidr,
    HostBits(IpNet),
    TooMany,
}

impl fmt::Display for TargetPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("call-backs can't be allowed to these networks: ")?;
        for (index, Problem { position, what }) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}number {position} ")?;
            match what {
                Wrong::NotCidr => {
                    f.write_str("is no CIDR; allowed: an address, a slash and a prefix, as in 10.1.0.0/16")
                }
                Wrong::HostBits(network) => {
                    let (whole, longest) = (network.trunc(), network.max_prefix_len());
                    let one = network.addr();
                    write!(
                        f,
                        "has bits behind its prefix; allowed: {whole} for the network, {one}/{longest} for the address"
                    )
                }
                Wrong::TooMany => write!(f, "is too many; allowed: {NETWORKS_MAX}"),
            }?;
        }
        Ok(())
    }
}

impl std::error::Error for TargetPolicyError {}

#[cfg(test)]
mod tests {
    use super::{NETWORKS_MAX, TargetPolicy};

    fn check(allowed: &[&str], address: &str, expected: bool) {
        let policy = TargetPolicy::parse(allowed.iter().copied()).unwrap();
        assert_eq!(policy.permits(address.parse().unwrap()), expected, "{allowed:?} {address}");
    }

    #[test]
    fn this_machine_only() {
        for here in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:127.8.8.8"] {
            check(&[], here, true);
        }
        for elsewhere in [
            "0.0.0.0",
            "10.0.0.1",
            "126.255.255.255",
            "128.0.0.0",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "255.255.255.255",
            "::",
            "::2",
            // Not mapped, but "compatible": an address of IPv6 that nobody has.
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0.0.0.0",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
            "fe80::1",
            "fd00::1",
        ] {
            check(&[], elsewhere, false);
        }
    }

    #[test]
    fn networks_are_allowed_one_by_one() {
        check(&["10.1.0.0/16"], "10.1.255.255", true);
        check(&["10.1.0.0/16"], "10.2.0.0", false);
        check(&["10.1.0.0/16"], "127.0.0.1", true);
        check(&["192.0.2.7/32", " 2001:db8::/32 "], "192.0.2.7", true);
        check(&["192.0.2.7/32", " 2001:db8::/32 "], "2001:db8:ffff::1", true);
        check(&["192.0.2.7/32", " 2001:db8::/32 "], "192.0.2.8", false);
    }

    #[test]
    fn a_mapped_address_is_one_of_ipv4() {
        check(&["10.0.0.0/8"], "::ffff:10.0.0.1", true);
        check(&["::ffff:10.0.0.0/104"], "10.0.0.1", true);
        check(&["::ffff:10.0.0.0/104"], "::ffff:10.0.0.1", true);
        check(&["::ffff:10.0.0.0/104"], "11.0.0.1", false);
        check(&["::ffff:0:0/96"], "8.8.8.8", true);
        check(&["::/0"], "8.8.8.8", false);
        check(&["::/0"], "::ffff:8.8.8.8", false);
        check(&["::/0"], "2001:db8::1", true);
        check(&["0.0.0.0/0"], "::ffff:8.8.8.8", true);
        check(&["0.0.0.0/0"], "2001:db8::1", false);
    }

    #[test]
    fn what_is_no_network() {
        let refused = |networks: &[&str]| TargetPolicy::parse(networks.iter().copied()).unwrap_err().to_string();
        let told = refused(&["10.0.0.0/8", "10.0.0.1/8", "10.0.0.5", "a.example/8", "fd00::1/8", "10.0.0.0/33", ""]);
        insta::assert_snapshot!(told.replace("; number", ";\nnumber"), @r"
        call-backs can't be allowed to these networks: number 2 has bits behind its prefix; allowed: 10.0.0.0/8 for the network, 10.0.0.1/32 for the address;
        number 3 is no CIDR; allowed: an address, a slash and a prefix, as in 10.1.0.0/16;
        number 4 is no CIDR; allowed: an address, a slash and a prefix, as in 10.1.0.0/16;
        number 5 has bits behind its prefix; allowed: fd00::/8 for the network, fd00::1/128 for the address;
        number 6 is no CIDR; allowed: an address, a slash and a prefix, as in 10.1.0.0/16;
        number 7 is no CIDR; allowed: an address, a slash and a prefix, as in 10.1.0.0/16
        ");
        let many = vec!["10.0.0.0/8"; NETWORKS_MAX + 2];
        insta::assert_snapshot!(refused(&many), @"call-backs can't be allowed to these networks: number 65 is too many; allowed: 64");
        assert!(TargetPolicy::parse(vec!["10.0.0.0/8"; NETWORKS_MAX]).is_ok());
    }
}
