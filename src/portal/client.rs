//! Who asks: the address that connects, or the one that a trusted proxy names.

use std::net::IpAddr;

use ipnet::IpNet;
use tracing::warn;

/// Networks of proxies whose word is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(pub Vec<IpNet>);

impl Proxies {
    /// Of networks as they are written. One that is none is not believed, and said.
    pub fn of(networks: &[String]) -> Self {
        let known = networks.iter().filter_map(|text| match text.parse() {
            Ok(network) => Some(network),
            Err(_) => {
                warn!(network = text, "this is no network of proxies, and not believed; write for example 10.0.0.0/8");
                None
            }
        });
        Self(known.collect())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// The client of a connection from `peer` with these X-Forwarded-For lines: from the right, the first address that is no
    /// trusted proxy. What stands left of it anybody can write.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl Iterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let named: Vec<&str> = forwarded.flat_map(|line| line.split(',')).collect();
        for text in named.into_iter().rev() {
            let Ok(address) = text.trim().parse::<IpAddr>() else { return client };
            client = address.to_canonical();
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &[&str], peer: &str, lines: &[&str]) -> String {
        let proxies = Proxies::of(&proxies.iter().map(ToString::to_string).collect::<Vec<_>>());
        proxies.client(peer.parse().expect("an address"), lines.iter().copied()).to_string()
    }

    #[test]
    fn a_header_is_believed_from_trusted_proxies_alone_and_only_their_part_of_it() {
        assert_eq!(client(&[], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.1.2.3", &["192.0.2.7, 198.51.100.1, 10.9.9.9"]), "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.2.3", &["192.0.2.7", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.2.3", &["198.51.100.1, nonsense"]), "10.1.2.3");
        assert_eq!(client(&["everybody", "10.0.0.0/99"], "10.1.2.3", &["198.51.100.1"]), "10.1.2.3");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.2.3", &[]), "10.1.2.3");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.2.3", &["10.4.4.4"]), "10.4.4.4");
    }
}
