//! What do the parts share while they start?

use std::{
    fs::{self, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::mpsc;

use crate::{
    kuadrant, obtain,
    options::Options,
    persona::Tokens,
    pin::Program,
    port::Ports,
    proc::Identity,
    process::{Death, Launch, Process, tail},
    progress::Progress,
    room::Room,
    state::{Phase, State, claim},
};

/// The folder, the ports, the rooms and the processes of a stack.
pub(crate) struct Core {
    pub(crate) options: Options,
    tokens: Tokens,
    shared: Arc<Room>,
    private: OnceLock<Arc<Room>>,
    processes: Mutex<Vec<Arc<Process>>>,
    /// Names, in the order of their first start.
    order: Mutex<Vec<String>>,
    state: Mutex<State>,
    deaths: mpsc::UnboundedSender<Death>,
    _claim: File,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens stay out of logs.
        f.debug_struct("Core")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn new(mut options: Options, deaths: mpsc::UnboundedSender<Death>) -> Result<Self> {
        let claim = claim(&options.state_dir)?
            .with_context(|| format!("a stack already uses {}", options.state_dir.display()))?;
        options.state_dir = fs::canonicalize(&options.state_dir)?;
        let dir = &options.state_dir;
        crate::leftovers::end(dir)?;
        // Unreadable only when damaged, and nothing of it is needed.
        let ports = State::find(dir)
            .ok()
            .flatten()
            .map_or_else(Ports::default, |s| s.ports);
        if dir.join("logs").exists() {
            fs::remove_dir_all(dir.join("logs"))?;
        }
        let state = State {
            supervisor: Identity::own().context("cannot read /proc: is this Linux?")?,
            phase: Phase::Starting,
            ports: ports.forgetful(),
            processes: Vec::new(),
        };
        state.save(dir)?;
        Ok(Self {
            tokens: Tokens::random(),
            shared: Arc::new(Room::shared()?),
            private: OnceLock::new(),
            processes: Mutex::default(),
            order: Mutex::default(),
            state: Mutex::new(state),
            deaths,
            _claim: claim,
            options,
        })
    }

    pub(crate) async fn start(&self, launch: Launch, patience: Duration) -> Result<()> {
        self.start_in(Arc::clone(&self.shared), launch, patience)
            .await
    }

    pub(crate) async fn start_in(
        &self,
        room: Arc<Room>,
        launch: Launch,
        patience: Duration,
    ) -> Result<()> {
        let started = Process::start(launch, room, self.state_dir(), self.deaths.clone()).await?;
        let process = Arc::new(started);
        {
            let mut order = lock(&self.order);
            if !order.contains(&process.launch.name) {
                order.push(process.launch.name.clone());
            }
        }
        {
            let mut processes = lock(&self.processes);
            processes.retain(|other| other.launch.name != process.launch.name);
            processes.push(Arc::clone(&process));
        }
        let record = process.record.clone();
        self.change(|state| {
            state.processes.retain(|other| other.name != record.name);
            state.processes.push(record);
        })?;
        process.wait_ready(patience).await
    }

    /// Ends a process if it runs and starts it anew.
    pub(crate) async fn restart(&self, name: &str) -> Result<()> {
        let process = self.find_process(name)?;
        process.stop().await;
        let (launch, room) = (process.launch.clone(), Arc::clone(&process.room));
        self.start_in(room, launch, Duration::from_mins(1)).await
    }

    /// Stops in the reverse order of start; a restart does not change it.
    pub(crate) async fn stop_all_but(&self, kept: &[&str]) {
        let (kept, mut ending): (Vec<_>, Vec<_>) = std::mem::take(&mut *lock(&self.processes))
            .into_iter()
            .partition(|process| kept.contains(&process.launch.name.as_str()));
        *lock(&self.processes) = kept;
        let order = lock(&self.order).clone();
        ending.sort_by_key(|process| order.iter().position(|name| *name == process.launch.name));
        for process in ending.iter().rev() {
            process.stop().await;
        }
    }

    pub(crate) fn note_end(&self, phase: Phase) -> Result<()> {
        crate::leftovers::end_marked(self.state_dir());
        self.change(|state| {
            state.phase = phase;
            state.processes.clear();
        })
    }

    pub(crate) fn kill_all(&self) {
        for process in lock(&self.processes).drain(..).rev() {
            process.kill();
        }
        crate::leftovers::end_marked(self.state_dir());
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = lock(&self.state);
        change(&mut state);
        state.save(self.state_dir())
    }

    pub(crate) fn find_process(&self, name: &str) -> Result<Arc<Process>> {
        let processes = lock(&self.processes);
        let found = processes.iter().find(|process| process.launch.name == name);
        found.cloned().ok_or_else(|| {
            let names: Vec<_> = processes.iter().map(|p| p.launch.name.as_str()).collect();
            anyhow!(
                "no process is called {name}: there are {}",
                names.join(", ")
            )
        })
    }

    pub(crate) fn check_running(&self, name: &str) -> Result<()> {
        if self.find_process(name)?.is_running() {
            return Ok(());
        }
        bail!(
            "{name} ended while starting. The end of its log:\n{}",
            self.tail(name)
        )
    }

    pub(crate) fn tail(&self, name: &str) -> String {
        tail(&crate::process::log_path(self.state_dir(), name))
    }

    pub(crate) async fn program(&self, program: Program) -> Result<PathBuf> {
        obtain::program(program, self.options.progress).await
    }

    pub(crate) fn choose_port(&self, name: &str) -> Result<u16> {
        let mut chosen = Ok(0);
        self.change(|state| chosen = state.ports.choose(name))?;
        chosen
    }

    pub(crate) fn find_port(&self, name: &str) -> Option<u16> {
        lock(&self.state).ports.find(name)
    }

    pub(crate) fn fresh_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.state_dir().join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    pub(crate) fn shared_room(&self) -> Arc<Room> {
        Arc::clone(&self.shared)
    }

    /// The private network if one is permitted, else that of the machine.
    pub(crate) fn enter_private_room(&self) -> Arc<Room> {
        let room = self
            .private
            .get_or_init(|| match Room::private(&[kuadrant::SOCKETS], &[]) {
                Ok(room) => Arc::new(room),
                Err(_) => self.shared_room(),
            });
        Arc::clone(room)
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(crate) fn progress(&self) -> Progress {
        self.options.progress
    }

    pub(crate) fn state_dir(&self) -> &Path {
        &self.options.state_dir
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.options.state_dir.join("logs/audit.log")
    }
}

/// A panic elsewhere leaves these values whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
