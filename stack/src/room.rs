//! In which network does a program run?
//!
//! A room is a thread, and what it starts inherits its network. The shared room
//! has the machine's network; a private one has a loopback of its own, so that
//! programs which listen on all interfaces are reached only through a relay,
//! and its own content of folders whose names cannot be changed. What is mounted
//! and connected in there ends with the last process in there.
//!
//! The thread lives as long as the room: `setpriv --pdeathsig` ties a child to
//! the thread that started it, not to the process.

use std::{
    net::Ipv4Addr,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};
use nix::{
    mount::{MsFlags, mount},
    sched::CloneFlags,
};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A thread with a network.
#[derive(Debug)]
pub(crate) struct Room {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    private: bool,
}

impl Room {
    /// A room with the network of this process.
    pub(crate) fn shared() -> Result<Self> {
        Self::enter(false, || Ok(()))
    }

    /// A room with a network of its own, where these folders are empty and these
    /// addresses are its own; fails where this is not permitted.
    pub(crate) fn private(
        folders: &'static [&'static str],
        addresses: &'static [Ipv4Addr],
    ) -> Result<Self> {
        Self::enter(true, move || {
            nix::sched::unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
                .context("a network namespace of its own is not permitted")?;
            hide(folders).context("cannot hide folders from other stacks")?;
            raise_loopback(addresses).context("cannot raise the loopback of a network namespace")
        })
    }

    fn enter(private: bool, prepare: impl FnOnce() -> Result<()> + Send + 'static) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, prepared) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(
                if private {
                    "private-network"
                } else {
                    "starter"
                }
                .to_owned(),
            )
            .spawn(move || {
                let outcome = prepare();
                let failed = outcome.is_err();
                if ready.send(outcome).is_err() || failed {
                    return;
                }
                while let Ok(job) = inbox.recv() {
                    job();
                }
            })?;
        prepared
            .recv()
            .context("the thread of a network ended early")??;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            private,
        })
    }

    /// Whether its network is hidden from the machine's.
    pub(crate) fn is_private(&self) -> bool {
        self.private
    }

    /// Does something short in this network.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, waiting) = oneshot::channel();
        let job: Job = Box::new(move || {
            // The asker may have given up.
            let _ = answer.send(job());
        });
        self.jobs
            .as_ref()
            .and_then(|jobs| jobs.send(job).ok())
            .context("the thread of a network has ended")?;
        waiting.await.context("the thread of a network has ended")?
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing left to do but return.
            let _ = thread.join();
        }
    }
}

/// Lays an empty folder over each of these, for this thread and what it starts.
fn hide(folders: &[&str]) -> Result<()> {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    for folder in folders {
        std::fs::create_dir_all(folder)?;
        let tmpfs = Some("tmpfs");
        mount(tmpfs, *folder, tmpfs, MsFlags::empty(), none)?;
    }
    Ok(())
}

fn raise_loopback(addresses: &[Ipv4Addr]) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            let connection = tokio::spawn(connection);
            // In a new namespace the loopback is always the first link.
            handle
                .link()
                .set(rtnetlink::LinkUnspec::new_with_index(1).up().build())
                .execute()
                .await?;
            for address in addresses {
                let adding = handle.address().add(1, (*address).into(), 32);
                adding.execute().await?;
            }
            connection.abort();
            Ok(())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn what_listens_in_a_private_room_is_not_heard_outside() {
        let Ok(room) = Room::private(&[], &[]) else {
            return; // not permitted here
        };
        let listener = room
            .run(|| Ok(TcpListener::bind(("0.0.0.0", 0))?))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(
            room.run(move || Ok(TcpStream::connect(("127.0.0.1", port))?))
                .await
                .is_ok()
        );
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
