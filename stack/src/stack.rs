//! What is a running stack, and in which order does it come and go?

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use jiff::Timestamp;
use tokio::{runtime::Runtime, sync::mpsc};

use crate::{
    backstage, collector, control_plane,
    core::Core,
    gateway, kuadrant, obtain,
    options::{ForeignCrds, Options},
    ours,
    part::Part,
    persona::Persona,
    pods,
    port::loopback,
    process::{Death, Launch},
    state::Phase,
};

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
        let up = stack.in_background(async move { bring_up(&core).await });
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

    /// Where etcd answers, without a password: JSON below `/v3/`.
    pub fn etcd_url(&self) -> Option<String> {
        self.url_of(control_plane::ETCD)
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

    /// Where our controller tells of its health, with [`Part::Controller`].
    pub fn controller_url(&self) -> Option<String> {
        self.url_of(ours::CONTROLLER)
    }

    /// Where the portal's server answers, with [`Part::Portal`].
    pub fn portal_url(&self) -> Option<String> {
        self.url_of(ours::PORTAL)
    }

    /// Where Backstage answers, with [`Part::Backstage`].
    pub fn backstage_url(&self) -> Option<String> {
        self.url_of(backstage::BACKSTAGE)
    }

    /// The token of a persona, for a portal.
    pub fn token(&self, persona: Persona) -> Result<String> {
        persona.token(&self.core.options.state_dir)
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

    /// Starts one more of the portal's servers, and tells where it answers.
    pub async fn add_portal(&self, name: &str, arguments: &[String]) -> Result<String> {
        let program = self.core.find_process(ours::PORTAL)?.launch.program.clone();
        ours::start_portal(&self.core, name, program, arguments).await?;
        self.url_of(name).context("it has a port")
    }

    /// A free loopback port, remembered under a name.
    pub fn choose_port(&self, name: &str) -> Result<u16> {
        self.core.choose_port(name)
    }

    /// Our program, with [`Part::Controller`].
    pub fn devportal(&self) -> Result<PathBuf> {
        Ok(self
            .core
            .find_process(ours::CONTROLLER)?
            .launch
            .program
            .clone())
    }

    /// How many connections a process has to the API server.
    pub fn connections(&self, name: &str) -> Result<usize> {
        let port = self.core.find_port(control_plane::API_SERVER);
        crate::proc::connections(self.pid(name)?, port.context("no API server")?)
    }

    /// The process id of a process that runs.
    pub fn pid(&self, name: &str) -> Result<u32> {
        Ok(self.core.find_process(name)?.record.identity.pid)
    }

    /// Kills a process as a crash would. [`Stack::next_death`] does not tell.
    pub async fn kill(&self, name: &str) -> Result<()> {
        let process = self.core.find_process(name)?;
        process.kill();
        process.gone().await;
        Ok(())
    }

    /// Kills all processes of a pod on the node, as a crash would.
    pub fn kill_pod(&self, uid: &str) -> Result<()> {
        crate::cgroup::kill_pod(&self.core.options.state_dir, uid)
    }

    /// The processes of a pod on the node, its pause among them.
    pub fn pod_processes(&self, uid: &str) -> Result<Vec<u32>> {
        crate::cgroup::pod_processes(&self.core.options.state_dir, uid)
    }

    /// Halts a process, as a machine that hangs would, until [`Stack::go_on`].
    pub fn halt(&self, name: &str) -> Result<()> {
        self.core.find_process(name)?.halt();
        Ok(())
    }

    /// Lets a halted process go on.
    pub fn go_on(&self, name: &str) -> Result<()> {
        self.core.find_process(name)?.go_on();
        Ok(())
    }

    /// Ends a process politely. [`Stack::next_death`] does not tell.
    pub async fn end(&self, name: &str) -> Result<()> {
        self.core.find_process(name)?.stop().await;
        Ok(())
    }

    /// Ends a process if it runs, starts it anew and waits until it is ready.
    pub async fn restart(&self, name: &str) -> Result<()> {
        self.core.restart(name).await?;
        if name == control_plane::API_SERVER {
            control_plane::wait_ready(&self.core).await?;
        }
        Ok(())
    }

    /// Gives the API server a certificate by another authority, as where those of a cluster
    /// are replaced. What of the control plane and the node has the old one from a kubeconfig is
    /// started anew; pods are told by the files of their accounts, and whoever else is there
    /// trusts it no longer.
    pub async fn replace_certificate(&self) -> Result<()> {
        control_plane::replace_certificate(&self.core).await?;
        for name in [
            control_plane::CONTROLLER_MANAGER,
            pods::SCHEDULER,
            pods::KUBELET,
        ] {
            if self.core.find_process(name).is_ok() {
                self.core.restart(name).await?;
            }
        }
        Ok(())
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
        if self.core.options.has(Part::Node) {
            pods::end(&self.core).await;
        }
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

async fn bring_up(core: &Core) -> Result<()> {
    let (options, progress) = (&core.options, core.options.progress);
    if options.has(Part::Node) {
        pods::permitted()?;
    }
    for part in Part::ALL.into_iter().filter(|part| options.has(*part)) {
        obtain::all(part.programs(), progress).await?;
    }
    let limiter = if options.has(Part::Gateway) {
        let build = gateway::build_limiter();
        Some(progress.step("build the rate-limit service", build).await?)
    } else {
        None
    };
    let ours = [Part::Controller, Part::Portal];
    let devportal = if ours.iter().any(|part| options.has(*part)) {
        Some(ours::binary(options.devportal.as_deref(), progress).await?)
    } else {
        None
    };
    let workspace = if options.has(Part::Backstage) {
        Some(backstage::build(core).await?)
    } else {
        None
    };
    progress
        .step("etcd", control_plane::start_etcd(core))
        .await?;
    progress
        .step("API server", control_plane::start_api_server(core))
        .await?;
    if options.has(Part::ControllerManager) {
        progress
            .step(
                "controller manager",
                control_plane::start_controller_manager(core),
            )
            .await?;
    }
    let foreign = if options.has(Part::Kuadrant) {
        ForeignCrds::All
    } else {
        options.foreign_crds
    };
    if foreign != ForeignCrds::None {
        let mut crds = crate::crds::foreign(progress).await?;
        if foreign == ForeignCrds::Followed {
            crds.retain(crate::crds::is_followed);
        }
        progress
            .step(
                "CRDs of Kuadrant and the Gateway API",
                ours::apply_crds(core, crds),
            )
            .await?;
    }
    progress
        .step("our CRDs, access rules and policies", ours::prepare(core))
        .await?;
    if options.has(Part::Kuadrant) {
        progress
            .step("kuadrant-operator and Authorino", kuadrant::start(core))
            .await?;
        progress
            .step("Kuadrant", kuadrant::configure(core.state_dir()))
            .await?;
    }
    if let Some(limiter) = limiter {
        progress
            .step("Envoy and rate limits", gateway::start(core, limiter))
            .await?;
    }
    if options.has(Part::Collector) {
        progress
            .step("OpenTelemetry Collector", collector::start(core))
            .await?;
    }
    if let Some(binary) = devportal {
        start_ours(core, binary).await?;
    }
    if options.has(Part::Sample) {
        progress.step("sample", ours::apply_sample(core)).await?;
        if options.has(Part::Kuadrant) {
            progress
                .step("policies enforced", ours::wait_enforced(core))
                .await?;
        }
    }
    if let Some(workspace) = workspace {
        progress
            .step("Backstage", backstage::start(core, &workspace))
            .await?;
    }
    if options.has(Part::Node) {
        progress.step("a node", pods::start(core)).await?;
    }
    core.change(|state| state.phase = Phase::Running)
}

async fn start_ours(core: &Core, binary: PathBuf) -> Result<()> {
    let (options, progress) = (&core.options, core.options.progress);
    if options.has(Part::Controller) {
        let (program, arguments) = (binary.clone(), &options.controller_arguments);
        let start = ours::start_controller(core, ours::CONTROLLER, program, arguments);
        progress.step("our controller", start).await?;
    }
    if options.has(Part::Portal) {
        let start = ours::start_portal(core, ours::PORTAL, binary, &[]);
        progress.step("the portal's server", start).await?;
    }
    Ok(())
}

const CONTROL_PLANE: [&str; 2] = [control_plane::ETCD, control_plane::API_SERVER];

/// When a record was made, as `status` shows it.
pub fn uptime(since: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default()
}
