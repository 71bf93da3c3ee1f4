//! A network namespace with an address for each pod.

use std::{collections::BTreeSet, net::Ipv4Addr, process::Command, sync::Arc, sync::Mutex};

use anyhow::Result;

use crate::machine::ip_batch;

/// Address of the bridge: the pods' gateway, and where they reach the API server and DNS.
pub const GATEWAY: &str = "10.88.0.1";
const FIRST: u8 = 10;
const LAST: u8 = 250;

/// The addresses of the bridge's network that are in use.
#[derive(Clone, Default)]
pub struct Addresses(Arc<Mutex<(u8, BTreeSet<u8>)>>);

/// An address; free again when it is dropped.
pub struct Address {
    number: u8,
    all: Addresses,
}

impl Addresses {
    /// The next free address. Those just freed come last, so that a client that still has one gets no
    /// answer instead of another pod's.
    pub fn take(&self) -> Address {
        let mut guard = self.0.lock().unwrap_or_else(|error| error.into_inner());
        let (last, used) = &mut *guard;
        let next = |number: u8| if (FIRST..LAST).contains(&number) { number + 1 } else { FIRST };
        let mut number = next(*last);
        // More than 240 pods at once do not fit on any test machine.
        while used.contains(&number) {
            number = next(number);
        }
        *last = number;
        used.insert(number);
        let all = self.clone();
        Address { number, all }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ipv4Addr::new(10, 88, 0, self.number).fmt(f)
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        let mut guard = self.all.0.lock().unwrap_or_else(|error| error.into_inner());
        guard.1.remove(&self.number);
    }
}

/// The network namespace of a pod; removed when dropped.
pub struct Network {
    /// Its address.
    pub address: Address,
    name: String,
}

impl Network {
    /// Makes the namespace and connects it with the bridge.
    pub fn create(address: Address) -> Result<Self> {
        let number = address.number;
        let network = Self { name: format!("pod{number}"), address };
        let (name, address) = (&network.name, &network.address);
        ip_batch(&format!(
            "netns add {name}\n\
             link add veth{number} type veth peer name eth0 netns {name}\n\
             link set veth{number} master pods0 up\n\
             link set veth{number} type bridge_slave hairpin on\n"
        ))?;
        let inside = format!(
            "link set lo up\naddress add {address}/24 dev eth0\nlink set eth0 up\n\
             route add default via {GATEWAY}\n"
        );
        crate::machine::ip_batch_in(name, &inside)?;
        Ok(network)
    }

    /// Path that stands for the namespace.
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let veth = format!("veth{}", self.address.number);
        let _ = Command::new("ip").args(["link", "delete", &veth]).output();
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_address_is_not_the_next() {
        let all = Addresses::default();
        let first = all.take();
        assert_eq!(first.to_string(), "10.88.0.10");
        drop(first);
        assert_eq!(all.take().to_string(), "10.88.0.11");
    }

    #[test]
    fn addresses_start_again_behind_the_last() {
        let all = Addresses::default();
        let kept = all.take();
        for _ in FIRST..LAST {
            all.take();
        }
        assert_eq!(kept.to_string(), "10.88.0.10");
        assert_eq!(all.take().to_string(), "10.88.0.11");
    }
}
