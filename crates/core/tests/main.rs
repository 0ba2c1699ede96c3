//! The pure tests: no cluster, no network, no clock.
//!
//! | to see | read |
//! |---|---|
//! | how a test is told | [`common::fixture`] |
//! | the API server and the hands, as a model | [`common::cluster`], [`common::hands`] |
//! | what always holds | [`common::oracle`] |

#[cfg(test)]
mod admission;
#[cfg(test)]
mod common;
#[cfg(test)]
mod credential;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod enforcement;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod phase;
#[cfg(test)]
mod product;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod ruling;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod selector;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod sight;
#[cfg(test)]
mod terms;
