//! Which addresses does a name stand for?
//!
//! The connection goes to exactly the addresses that were checked here: there
//! is no second resolution in which a name could change its mind.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Reach;

/// More addresses than this of one name are not tried: a name is no list of
/// machines to knock at.
const ADDRESSES: usize = 4;

/// Asks the DNS.
pub(super) trait Lookup: Send + Sync {
    /// All addresses of a name, checked by nobody.
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

/// A resolver that knows only addresses we may connect to.
pub(super) struct CheckedResolver {
    reach: Arc<Reach>,
    lookup: Arc<dyn Lookup>,
}

impl CheckedResolver {
    pub(super) fn new(reach: Arc<Reach>, lookup: Arc<dyn Lookup>) -> Self {
        Self { reach, lookup }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = Arc::clone(&self.reach);
        let name = name.as_str().to_owned();
        if !reach.admits_name(&name) {
            return async { Err("the name is not allowed".into()) }.boxed();
        }
        let found = self.lookup.addresses(spelling(&reach, &name));
        async move {
            let allowed: Vec<SocketAddr> = found
                .await?
                .into_iter()
                .filter(|ip| reach.admits(&name, *ip))
                .take(ADDRESSES)
                .map(|ip| SocketAddr::new(ip, 0))
                .collect();
            if allowed.is_empty() {
                return Err("no address of the name is allowed".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        }
        .boxed()
    }
}

/// A pod's resolver tries its search domains first, and would find the Service
/// `api` in namespace `example` for `api.example`. The dot at the end says that
/// the name is whole. Hosts the operator listed may need the search.
fn spelling(reach: &Reach, name: &str) -> String {
    if name.ends_with('.') || reach.lists(name) {
        name.to_owned()
    } else {
        format!("{name}.")
    }
}
