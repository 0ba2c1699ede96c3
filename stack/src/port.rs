//! Which loopback ports does this stack use?
//!
//! Those of the last run while they are free, so that a kubeconfig in an open
//! shell goes on working; else any that is free. Two checkouts never meet.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Given out by this process, to whichever stack: it may be a while until something listens there.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Ports by the name of what listens there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    chosen: BTreeMap<String, u16>,
    /// Of an earlier run; taken again where still free.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    wishes: BTreeMap<String, u16>,
}

impl Ports {
    /// The port for a name: the one it had if still free, else a free one.
    pub fn choose(&mut self, name: &str) -> Result<u16> {
        let port = self.pick(name)?;
        self.chosen.insert(name.to_owned(), port);
        self.wishes.remove(name);
        Ok(port)
    }

    fn pick(&self, name: &str) -> Result<u16> {
        let is_promised = |port: u16| {
            let others = self.chosen.iter().chain(&self.wishes);
            others
                .into_iter()
                .any(|(other, theirs)| other != name && *theirs == port)
        };
        let wish = self.chosen.get(name).or_else(|| self.wishes.get(name));
        if let Some(port) = wish.copied().filter(|p| is_free(*p) && !is_promised(*p)) {
            return Ok(port);
        }
        for _ in 0..50 {
            let port = TcpListener::bind(loopback(0))
                .and_then(|l| l.local_addr())
                .context("cannot listen on loopback")?
                .port();
            let is_new = || {
                let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
                given.insert(port)
            };
            if !is_promised(port) && is_new() {
                return Ok(port);
            }
        }
        anyhow::bail!("no free loopback port for {name}")
    }

    /// The same ports as wishes only: none counts as in use until chosen.
    pub(crate) fn forgetful(self) -> Self {
        Self {
            wishes: self.chosen.into_iter().chain(self.wishes).collect(),
            chosen: BTreeMap::new(),
        }
    }

    /// The port a name has.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.chosen.get(name).copied()
    }
}

/// Whether one could listen there now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

/// Loopback with a port.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_still_free_is_kept() {
        let mut ports = Ports::default();
        let first = ports.choose("etcd").unwrap();
        let mut later = ports.forgetful();
        assert_eq!(later.find("etcd"), None);
        assert_eq!(later.choose("etcd").unwrap(), first);
    }

    #[test]
    fn a_port_taken_by_someone_else_is_replaced() {
        let other = TcpListener::bind(loopback(0)).unwrap();
        let taken = other.local_addr().unwrap().port();
        let wishes = BTreeMap::from([("etcd".to_owned(), taken)]);
        let mut ports = Ports {
            wishes,
            ..Ports::default()
        };
        assert_ne!(ports.choose("etcd").unwrap(), taken);
    }

    #[test]
    fn two_names_never_get_one_port() {
        let mut ports = Ports::default();
        let mut seen = std::collections::BTreeSet::new();
        for name in ["a", "b", "c", "d"] {
            assert!(seen.insert(ports.choose(name).unwrap()));
        }
    }
}
