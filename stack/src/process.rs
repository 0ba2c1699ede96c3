//! How is one process started, watched, and ended with all it started itself?

use std::{
    fs::{File, OpenOptions},
    net::{SocketAddr, TcpStream},
    os::unix::{
        net::UnixStream,
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use nix::sys::{
    signal::Signal,
    wait::{Id, WaitPidFlag, waitid},
};
use tokio::sync::{mpsc, watch};

use crate::{proc, proc::Identity, room::Room, state::Record};

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(4);

/// What to run, and how to tell that it is ready.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// The name it is known by; its log is named after it.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables on top of ours.
    pub env: Vec<(String, String)>,
    /// Where it listens on the machine's loopback, for `status`.
    pub port: Option<u16>,
    /// When it counts as ready.
    pub probe: Probe,
}

/// How one can tell that a process is ready, asked in the process' own network.
#[derive(Debug, Clone, Default)]
pub enum Probe {
    /// As soon as it is started.
    #[default]
    Started,
    /// As soon as it accepts connections there.
    Listens(SocketAddr),
    /// As soon as it accepts connections at this socket, as it is seen in its room.
    ListensAt(PathBuf),
    /// As soon as a GET of this path answers 200.
    Answers(SocketAddr, String),
}

/// The end of a process that nobody asked for.
#[derive(Debug, Clone)]
pub struct Death {
    /// Its name.
    pub name: String,
    /// How it ended, in words.
    pub how: String,
    /// The end of its log.
    pub last_words: String,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ended by itself ({}). The end of its log:\n{}",
            self.name, self.how, self.last_words
        )
    }
}

/// A process we started.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) launch: Launch,
    pub(crate) room: Arc<Room>,
    pub(crate) record: Record,
    expected: Arc<AtomicBool>,
    ended: watch::Receiver<Option<String>>,
}

impl Process {
    pub(crate) async fn start(
        launch: Launch,
        room: Arc<Room>,
        state_dir: &Path,
        deaths: mpsc::UnboundedSender<Death>,
    ) -> Result<Self> {
        let log = log_path(state_dir, &launch.name);
        let mut command = command(&launch, state_dir, &log)?;
        let program = launch.program.display().to_string();
        let child = room
            .run(move || {
                command
                    .spawn()
                    .with_context(|| format!("cannot start {program}"))
            })
            .await?;
        let pid = child.id();
        let identity = Identity::find(pid).unwrap_or(Identity { pid, start_time: 0 });
        let expected = Arc::new(AtomicBool::new(false));
        let (tell, ended) = watch::channel(None);
        let watcher = Watcher {
            name: launch.name.clone(),
            log: log.clone(),
            expected: Arc::clone(&expected),
            deaths,
            tell,
        };
        std::thread::Builder::new()
            .name(format!("wait-{}", launch.name))
            .spawn(move || watcher.wait(child))?;
        let record = Record {
            name: launch.name.clone(),
            identity,
            port: launch.port,
            log,
            started: Timestamp::now(),
        };
        Ok(Self {
            launch,
            room,
            record,
            expected,
            ended,
        })
    }

    /// Waits until it is ready; its own end, or `patience`, ends the wait.
    pub(crate) async fn wait_ready(&self, patience: Duration) -> Result<()> {
        let mut ended = self.ended.clone();
        let name = &self.launch.name;
        tokio::select! {
            how = ended.wait_for(Option::is_some) => {
                let how = how.ok().and_then(|how| how.clone()).unwrap_or_default();
                bail!("{name} ended while starting ({how}). The end of its log:\n{}", tail(&self.record.log));
            }
            outcome = tokio::time::timeout(patience, self.answers()) => match outcome {
                Ok(()) => Ok(()),
                Err(_) => bail!(
                    "{name} was not ready within {patience:?}. The end of its log:\n{}",
                    tail(&self.record.log)
                ),
            }
        }
    }

    async fn answers(&self) {
        loop {
            let probe = self.launch.probe.clone();
            if self
                .room
                .run(move || Ok(probe.succeeds()))
                .await
                .unwrap_or(false)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Ends it: politely at first, then for good.
    pub(crate) async fn stop(&self) {
        self.expected.store(true, Ordering::SeqCst);
        self.signal(Signal::SIGTERM);
        let mut ended = self.ended.clone();
        if tokio::time::timeout(GRACE, ended.wait_for(Option::is_some))
            .await
            .is_err()
        {
            self.kill();
            // The kernel needs a moment; nothing survives this signal.
            let _ = ended.wait_for(Option::is_some).await;
        }
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&self) {
        self.expected.store(true, Ordering::SeqCst);
        self.signal(Signal::SIGKILL);
    }

    /// Halts it, as a machine that hangs would: connections stay, and nobody answers.
    pub(crate) fn halt(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits until it is gone.
    pub(crate) async fn gone(&self) {
        let mut ended = self.ended.clone();
        // A lost sender means gone as well.
        let _ = ended.wait_for(Option::is_some).await;
    }

    fn signal(&self, signal: Signal) {
        // Not yet waited for, so the id cannot be anybody else's.
        if self.is_running() {
            proc::signal_group(self.record.identity.pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Watcher {
    name: String,
    log: PathBuf,
    expected: Arc<AtomicBool>,
    deaths: mpsc::UnboundedSender<Death>,
    tell: watch::Sender<Option<String>>,
}

impl Watcher {
    fn wait(self, mut child: Child) {
        let pid = child.id();
        // Look without reaping: while the leader is a zombie the group's id is
        // still ours, so its other members can be ended safely.
        let seen = waitid(
            Id::Pid(proc::raw(pid)),
            WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
        );
        if seen.is_ok() {
            proc::signal_group(pid, Signal::SIGKILL);
        }
        let how = child
            .wait()
            .map_or_else(|error| error.to_string(), in_words);
        if !self.expected.load(Ordering::SeqCst) {
            // Nobody may be listening any more.
            let _ = self.deaths.send(Death {
                name: self.name,
                how: how.clone(),
                last_words: tail(&self.log),
            });
        }
        self.tell.send_replace(Some(how));
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(Ok(signal))) => signal.to_string(),
        (None, _) => status.to_string(),
    }
}

impl Probe {
    fn succeeds(&self) -> bool {
        match self {
            Self::Started => true,
            Self::Listens(at) => connect(*at).is_ok(),
            Self::ListensAt(path) => UnixStream::connect(path).is_ok(),
            Self::Answers(at, path) => answers(*at, path).unwrap_or(false),
        }
    }
}

fn connect(at: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&at, Duration::from_millis(500))
}

fn answers(at: SocketAddr, path: &str) -> std::io::Result<bool> {
    use std::io::{Read, Write};
    let mut socket = connect(at)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = [0; 12];
    socket.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

fn command(launch: &Launch, state_dir: &Path, log: &Path) -> Result<Command> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let out: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    // With this program there, even `kill -9` of the supervisor leaves nothing.
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut command = if setpriv.is_file() {
        let mut command = Command::new(setpriv);
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&launch.program);
        command
    } else {
        Command::new(&launch.program)
    };
    command
        .args(&launch.args)
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .env(proc::MARK, state_dir)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        // A group of its own, so that Ctrl-C reaches only us and the order of
        // stopping is ours.
        .process_group(0);
    Ok(command)
}

/// Where the output of a process goes.
pub fn log_path(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join("logs").join(format!("{name}.log"))
}

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    // A story may put a device in its place.
    if !log.is_file() {
        return String::new();
    }
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines
        .iter()
        .rev()
        .map(|line| format!("    {}", shorten(line)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Some programs write a page into a line.
fn shorten(line: &str) -> String {
    const MOST: usize = 200;
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, dir: &Path) -> (Process, mpsc::UnboundedReceiver<Death>) {
        let (deaths, heard) = mpsc::unbounded_channel();
        let launch = Launch {
            name: "sh".into(),
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            ..Launch::default()
        };
        let room = Arc::new(Room::shared().unwrap());
        (
            Process::start(launch, room, dir, deaths).await.unwrap(),
            heard,
        )
    }

    #[tokio::test]
    async fn an_unexpected_end_is_told_with_the_last_lines_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let (_process, mut heard) = shell("echo no space left; exit 3", dir.path()).await;
        let death = heard.recv().await.unwrap();
        assert_eq!(death.how, "exit code 3");
        assert_eq!(death.last_words, "    no space left");
    }

    #[tokio::test]
    async fn stopping_a_process_ends_its_children_too_and_is_no_death() {
        let dir = tempfile::tempdir().unwrap();
        let (process, mut heard) = shell("sleep 60 & sleep 60", dir.path()).await;
        while proc::marked(dir.path()).len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        process.stop().await;
        while !proc::marked(dir.path()).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(process);
        assert!(heard.recv().await.is_none());
    }
}
