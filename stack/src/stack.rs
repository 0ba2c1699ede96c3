//! What is a running stack, and in which order does it come and go?

use std::{
    fs::{self, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use tokio::{runtime::Runtime, sync::mpsc};

use crate::{
    control_plane, gateway, kuadrant, obtain, ours,
    part::Part,
    persona::{Persona, Tokens},
    pin::Program,
    port::{Ports, loopback},
    proc::Identity,
    process::{Death, Launch, Process, tail},
    progress::Progress,
    room::Room,
    state::{Phase, State, claim},
};

/// What to start, and where it keeps its files.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where logs, kubeconfigs and data go; one stack per folder.
    pub state_dir: PathBuf,
    /// What to start; parts needed by others come by themselves.
    pub parts: Vec<Part>,
    /// Whether to apply the CRDs of Kuadrant and the Gateway API. They are
    /// applied in any case with [`Part::Kuadrant`].
    pub foreign_crds: bool,
    /// Our binary; built with cargo when not given.
    pub devportal: Option<PathBuf>,
    /// Arguments of our controller beyond those the stack gives it.
    pub controller_arguments: Vec<String>,
    /// How steps are reported.
    pub progress: Progress,
}

impl Options {
    /// Everything there is.
    pub fn everything(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            parts: Part::ALL.to_vec(),
            foreign_crds: true,
            devportal: None,
            controller_arguments: Vec::new(),
            progress: Progress::default(),
        }
    }

    /// etcd and the API server with our CRDs, ready in about three seconds.
    pub fn control_plane(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            parts: vec![Part::ControlPlane],
            foreign_crds: false,
            ..Self::everything(state_dir)
        }
    }

    /// The same with these parts as well.
    #[must_use]
    pub fn with(mut self, parts: &[Part]) -> Self {
        self.parts.extend(parts);
        self
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

/// A running stack. Dropping it kills everything; [`Stack::stop`] is politer.
#[derive(Debug)]
pub struct Stack {
    core: Arc<Core>,
    deaths: tokio::sync::Mutex<mpsc::UnboundedReceiver<Death>>,
    background: Option<Runtime>,
}

impl Stack {
    /// Starts what the options ask for and returns when all of it is ready.
    pub async fn start(options: Options) -> Result<Self> {
        // First, for it may fail, and a runtime must not be dropped in another.
        let (deaths, heard) = mpsc::unbounded_channel();
        let core = Arc::new(Core::new(options, deaths)?);
        let background = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("stack")
            .enable_all()
            .build()?;
        let stack = Self {
            core: Arc::clone(&core),
            deaths: tokio::sync::Mutex::new(heard),
            background: Some(background),
        };
        // On a runtime of its own, so that relays and the stand-in live as long
        // as the stack, whichever runtime (or test) asked for it.
        let up = stack.in_background(async move { core.bring_up().await });
        if let Err(error) = up.await {
            stack.core.kill_all();
            stack.core.note_end(Phase::Failed(format!("{error:#}")))?;
            return Err(error);
        }
        Ok(stack)
    }

    async fn in_background<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let runtime = self.background.as_ref().context("the stack is stopped")?;
        runtime
            .spawn(work)
            .await
            .context("a task of the stack ended early")?
    }

    /// The kubeconfig of a persona.
    pub fn kubeconfig(&self, persona: Persona) -> PathBuf {
        persona.kubeconfig(&self.core.options.state_dir)
    }

    /// A client that acts as a persona; it belongs to the calling runtime.
    pub async fn client(&self, persona: Persona) -> Result<kube::Client> {
        control_plane::client(&self.core.options.state_dir, persona).await
    }

    /// Where the gateway listens, with [`Part::Gateway`].
    pub fn gateway_url(&self) -> Option<String> {
        self.url_of(gateway::GATEWAY)
    }

    /// Authorino's HTTP check, with [`Part::Kuadrant`]: POST or GET `/check`.
    pub fn authorino_url(&self) -> Option<String> {
        self.url_of(kuadrant::AUTHORINO)
    }

    /// Where Authorino's gRPC service listens, for Envoy.
    pub fn authorino_grpc_addr(&self) -> Option<std::net::SocketAddr> {
        self.core.find_port(kuadrant::AUTHORINO_GRPC).map(loopback)
    }

    /// Where the sample's OpenAPI documents are served, with [`Part::Sample`].
    pub fn documents_url(&self) -> Option<String> {
        self.url_of(ours::DOCUMENTS)
    }

    fn url_of(&self, name: &str) -> Option<String> {
        self.core
            .find_port(name)
            .map(|port| format!("http://{}", loopback(port)))
    }

    /// Where the API server notes each request (one JSON object a line).
    pub fn audit_log(&self) -> PathBuf {
        self.core.audit_log()
    }

    /// The log of a process.
    pub fn log(&self, name: &str) -> PathBuf {
        crate::process::log_path(&self.core.options.state_dir, name)
    }

    /// Starts one more process, which ends with the stack.
    pub async fn launch(&self, launch: Launch) -> Result<()> {
        self.core.start(launch, Duration::from_secs(30)).await
    }

    /// Starts one more of our controllers, with the arguments of the first.
    pub async fn add_controller(&self, name: &str) -> Result<()> {
        let first = self.core.find_process(ours::CONTROLLER)?;
        let program = first.launch.program.clone();
        let arguments = &self.core.options.controller_arguments;
        ours::start_controller(&self.core, name, program, arguments).await
    }

    /// A free loopback port, remembered under a name.
    pub fn choose_port(&self, name: &str) -> Result<u16> {
        self.core.choose_port(name)
    }

    /// Kills a process as a crash would. [`Stack::next_death`] does not tell.
    pub async fn kill(&self, name: &str) -> Result<()> {
        let process = self.core.find_process(name)?;
        process.kill();
        process.gone().await;
        Ok(())
    }

    /// Ends a process politely. [`Stack::next_death`] does not tell.
    pub async fn end(&self, name: &str) -> Result<()> {
        self.core.find_process(name)?.stop().await;
        Ok(())
    }

    /// Ends a process if it runs, starts it anew and waits until it is ready.
    pub async fn restart(&self, name: &str) -> Result<()> {
        self.core.restart(name).await
    }

    /// Waits until a process ends that nobody asked to end.
    pub async fn next_death(&self) -> Death {
        match self.deaths.lock().await.recv().await {
            Some(death) => death,
            None => std::future::pending().await,
        }
    }

    /// Stops everything in the reverse order of its start.
    pub async fn stop(mut self) -> Result<()> {
        self.wind_down(Phase::Stopped).await
    }

    /// The same, noting for `status` why.
    pub async fn stop_because(mut self, reason: impl Into<String>) -> Result<()> {
        self.wind_down(Phase::Failed(reason.into())).await
    }

    async fn wind_down(&mut self, phase: Phase) -> Result<()> {
        self.core.stop_all_but(&CONTROL_PLANE).await;
        if let Some(runtime) = self.background.take() {
            // Our own watches would keep the API server from leaving.
            runtime.shutdown_background();
        }
        self.core.stop_all_but(&[]).await;
        self.core.note_end(phase)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.core.kill_all();
        if let Some(runtime) = self.background.take() {
            runtime.shutdown_background();
        }
    }
}

/// What the parts share while they start.
pub(crate) struct Core {
    options: Options,
    tokens: Tokens,
    shared: Arc<Room>,
    private: OnceLock<Arc<Room>>,
    processes: Mutex<Vec<Arc<Process>>>,
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
    fn new(mut options: Options, deaths: mpsc::UnboundedSender<Death>) -> Result<Self> {
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
            state: Mutex::new(state),
            deaths,
            _claim: claim,
            options,
        })
    }

    async fn bring_up(self: Arc<Self>) -> Result<()> {
        let (options, progress) = (&self.options, self.options.progress);
        for part in Part::ALL.into_iter().filter(|part| options.has(*part)) {
            obtain::all(part.programs(), progress).await?;
        }
        let limiter = if options.has(Part::Gateway) {
            let build = gateway::build_limiter();
            Some(progress.step("build the rate-limit service", build).await?)
        } else {
            None
        };
        let devportal = if options.has(Part::Controller) {
            Some(ours::binary(options.devportal.as_deref(), progress).await?)
        } else {
            None
        };
        progress
            .step("etcd", control_plane::start_etcd(&self))
            .await?;
        progress
            .step("API server", control_plane::start_api_server(&self))
            .await?;
        if options.has(Part::ControllerManager) {
            progress
                .step(
                    "controller manager",
                    control_plane::start_controller_manager(&self),
                )
                .await?;
        }
        if options.foreign_crds || options.has(Part::Kuadrant) {
            let crds = crate::crds::foreign(progress).await?;
            progress
                .step(
                    "CRDs of Kuadrant and the Gateway API",
                    ours::apply_crds(&self, crds),
                )
                .await?;
        }
        progress
            .step("our CRDs and access rules", ours::prepare(&self))
            .await?;
        if options.has(Part::Kuadrant) {
            progress
                .step("kuadrant-operator and Authorino", kuadrant::start(&self))
                .await?;
            progress
                .step("Kuadrant", kuadrant::configure(self.state_dir()))
                .await?;
        }
        if let Some(limiter) = limiter {
            progress
                .step("Envoy and rate limits", gateway::start(&self, limiter))
                .await?;
        }
        if let Some(binary) = devportal {
            progress
                .step(
                    "our controller",
                    ours::start_controller(
                        &self,
                        ours::CONTROLLER,
                        binary,
                        &options.controller_arguments,
                    ),
                )
                .await?;
        }
        if options.has(Part::Sample) {
            progress.step("sample", ours::apply_sample(&self)).await?;
            if options.has(Part::Kuadrant) {
                progress
                    .step("policies enforced", ours::wait_enforced(&self))
                    .await?;
            }
        }
        self.change(|state| state.phase = Phase::Running)
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

    async fn restart(&self, name: &str) -> Result<()> {
        let process = self.find_process(name)?;
        process.stop().await;
        let (launch, room) = (process.launch.clone(), Arc::clone(&process.room));
        self.start_in(room, launch, Duration::from_mins(1)).await?;
        if name == control_plane::API_SERVER {
            control_plane::wait_ready(self).await?;
        }
        Ok(())
    }

    /// Stops in the reverse order of start; a restart does not change it.
    async fn stop_all_but(&self, kept: &[&str]) {
        let (kept, mut ending): (Vec<_>, Vec<_>) = std::mem::take(&mut *lock(&self.processes))
            .into_iter()
            .partition(|process| kept.contains(&process.launch.name.as_str()));
        *lock(&self.processes) = kept;
        ending.sort_by_key(|process| rank(&process.launch.name));
        for process in ending.iter().rev() {
            process.stop().await;
        }
    }

    fn note_end(&self, phase: Phase) -> Result<()> {
        crate::leftovers::end_marked(self.state_dir());
        self.change(|state| {
            state.phase = phase;
            state.processes.clear();
        })
    }

    fn kill_all(&self) {
        for process in lock(&self.processes).drain(..).rev() {
            process.kill();
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = lock(&self.state);
        change(&mut state);
        state.save(self.state_dir())
    }

    fn find_process(&self, name: &str) -> Result<Arc<Process>> {
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
        let room = self.private.get_or_init(|| match Room::private() {
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

const CONTROL_PLANE: [&str; 2] = [control_plane::ETCD, control_plane::API_SERVER];

/// The place of a process in the order of start; what tests launch comes last.
fn rank(name: &str) -> usize {
    let known = [
        control_plane::ETCD,
        control_plane::API_SERVER,
        control_plane::CONTROLLER_MANAGER,
        kuadrant::OPERATOR,
        kuadrant::AUTHORINO,
        gateway::LIMITER,
        gateway::ENVOY,
        ours::CONTROLLER,
    ];
    known
        .iter()
        .position(|other| *other == name)
        .unwrap_or(known.len())
}

/// A panic elsewhere leaves these values whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When a record was made, as `status` shows it.
pub fn uptime(since: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default()
}
