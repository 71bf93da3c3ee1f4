//! Free ports for a control plane without a network namespace of its own.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;

use crate::plan::Ports;

/// Three ports that are free now. All are taken before any is given back, so they differ.
pub fn free() -> Result<Ports> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (etcd, peer, api) = (listen()?, listen()?, listen()?);
    Ok(Ports { etcd: etcd.local_addr()?.port(), peer: peer.local_addr()?.port(), api: api.local_addr()?.port() })
}
