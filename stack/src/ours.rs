//! What of this repository runs on the stack: CRDs, rights, controller, sample.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, ObjectMeta, PostParams},
};
use serde_json::{Value, json};
use tokio::{process::Command, sync::OnceCell};

use crate::{
    apply, collector,
    control_plane::client,
    core::Core,
    documents, kuadrant,
    persona::Persona,
    port::loopback,
    process::{Launch, Probe},
    progress::Progress,
};

/// The variable that names a kubeconfig.
pub(crate) const KUBECONFIG: &str = "KUBECONFIG";
/// The name of the server of OpenAPI documents.
pub(crate) const DOCUMENTS: &str = "documents";
/// The name of our controller's process.
pub(crate) const CONTROLLER: &str = "controller";
/// The name of the portal's server.
pub(crate) const PORTAL: &str = "portal";

/// The name that the last of the admission policies refuses.
const CANARY: &str = "devportal-policies-in-force";

/// The role that lets the controller handle Secrets, and its binding.
const SECRETS: &str = "devportal-controller-secrets";

const PATIENCE: Duration = Duration::from_mins(1);

/// The root of the repository.
pub fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

pub(crate) async fn apply_crds(core: &Core, crds: Vec<Value>) -> Result<()> {
    let client = client(core.state_dir(), Persona::ClusterAdmin).await?;
    apply::crds(&client, crds).await
}

/// Applies our CRDs, access rules and admission policies, and Kuadrant's namespace.
pub(crate) async fn prepare(core: &Core) -> Result<()> {
    let client = client(core.state_dir(), Persona::ClusterAdmin).await?;
    let deploy = repository().join("deploy");
    let chart = deploy.join("chart/files");
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kuadrant::NAMESPACE},
    });
    apply::objects(&client, &[namespace]).await?;
    apply::crds(&client, apply::read_folder(&chart.join("crds"), &[])?).await?;
    let mut rights = apply::read_file(&deploy.join("install.yaml"), &[])?;
    rights.retain(is_about_rights);
    rights.push(secrets_everywhere());
    rights.extend(apply::read_folder(&deploy.join("backstage"), &[])?);
    apply::objects(&client, &rights).await?;
    if !core.options.policies {
        return Ok(());
    }
    apply::objects(&client, &apply::read_folder(&chart.join("policies"), &[])?).await?;
    policies_in_force(&client).await
}

/// An account, a role or a binding of the manifest, but not the binding about Secrets: a
/// stack has its own.
fn is_about_rights(object: &Value) -> bool {
    let is_of_rbac = object["apiVersion"] == "rbac.authorization.k8s.io/v1";
    object["kind"] == "ServiceAccount" || is_of_rbac && object["roleRef"]["name"] != SECRETS
}

/// As with `secretAccess.mode=cluster`: keys are asked for in namespaces that come and go.
fn secrets_everywhere() -> Value {
    let group = "rbac.authorization.k8s.io";
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": SECRETS},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": SECRETS},
        "subjects": [{
            "kind": "ServiceAccount", "namespace": kuadrant::NAMESPACE, "name": "devportal-controller",
        }],
    })
}

/// Waits until the API server acts on the admission policies applied so far, which it
/// does up to a second later. It takes in policies in the order of their writes, and so
/// their bindings: one more, which refuses a name, stands for all before it.
async fn policies_in_force(client: &Client) -> Result<()> {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": CANARY},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
                "operations": ["CREATE"],
            }]},
            "validations": [{
                "expression": format!("object.metadata.name != '{CANARY}'"), "message": CANARY,
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": CANARY},
        "spec": {"policyName": CANARY, "validationActions": ["Deny"]},
    });
    apply::objects(client, &[policy, binding]).await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), kuadrant::NAMESPACE);
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(CANARY.into()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let begun = tokio::time::Instant::now();
    loop {
        match maps.create(&dry_run, &map).await {
            Err(kube::Error::Api(status)) if status.message.contains(CANARY) => return Ok(()),
            Err(error) => return Err(error.into()),
            Ok(_) if begun.elapsed() > PATIENCE => {
                bail!("the admission policies were not in force within {PATIENCE:?}")
            }
            Ok(_) => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}

/// Our binary: the one given, else built, once for all stacks of this process.
pub(crate) async fn binary(given: Option<&Path>, progress: Progress) -> Result<PathBuf> {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let build = || progress.step("build devportal", build("devportal"));
    BUILT.get_or_try_init(build).await.cloned()
}

/// cargo, as from a shell: what `cargo run` tells the program it runs about its
/// package would make build scripts run again, and minutes of crates with them.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Builds one of our packages, and finds its program of the same name.
pub(crate) async fn build(package: &str) -> Result<PathBuf> {
    build_with(package, &[]).await
}

/// The same with the profile of what is shipped, which takes minutes more.
pub async fn build_shipped(package: &str) -> Result<PathBuf> {
    // The profile's folder in the usual place is that of the images.
    let arguments = ["--profile", "image", "--target-dir", "target/shipped"];
    build_with(package, &arguments).await
}

async fn build_with(package: &str, arguments: &[&str]) -> Result<PathBuf> {
    let output = cargo()
        .args([
            "build",
            "--package",
            package,
            "--message-format=json-render-diagnostics",
        ])
        .args(arguments)
        .current_dir(repository())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "{package} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == package)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no executable {package}"))
}

pub(crate) async fn start_controller(
    core: &Core,
    name: &str,
    program: PathBuf,
    arguments: &[String],
) -> Result<()> {
    let port = core.choose_port(name)?;
    let kubeconfig = Persona::Controller
        .kubeconfig(core.state_dir())
        .display()
        .to_string();
    let launch = Launch {
        name: name.into(),
        program,
        args: [
            "controller".into(),
            format!("--health-probe-bind-address={}", loopback(port)),
            "--refuse-own-approvals".into(),
        ]
        .into_iter()
        .chain(arguments.iter().cloned())
        .collect(),
        // The sample's documents are served on loopback.
        env: [
            (KUBECONFIG.into(), kubeconfig),
            ("DEVPORTAL_FETCH_ALLOW".into(), "127.0.0.1/32".into()),
            // Where its lease is.
            ("POD_NAMESPACE".into(), kuadrant::NAMESPACE.into()),
        ]
        .into_iter()
        .chain(collector::variables(core))
        .chain(core.options.controller_variables.iter().cloned())
        .collect(),
        port: Some(port),
        probe: Probe::Answers(loopback(port), "/readyz".into()),
    };
    core.start(launch, PATIENCE).await
}

pub(crate) async fn start_portal(
    core: &Core,
    name: &str,
    program: PathBuf,
    arguments: &[String],
) -> Result<()> {
    let port = core.choose_port(name)?;
    let kubeconfig = Persona::Portal.kubeconfig(core.state_dir());
    let launch = Launch {
        name: name.into(),
        program,
        args: ["server".into(), format!("--address={}", loopback(port))]
            .into_iter()
            .chain(arguments.iter().cloned())
            .collect(),
        env: [(KUBECONFIG.into(), kubeconfig.display().to_string())]
            .into_iter()
            .chain(collector::variables(core))
            .collect(),
        port: Some(port),
        probe: Probe::Answers(loopback(port), "/readyz".into()),
    };
    core.start(launch, PATIENCE).await
}

/// Serves the sample's documents and applies its objects.
pub(crate) async fn apply_sample(core: &Core) -> Result<()> {
    let client = client(core.state_dir(), Persona::ClusterAdmin).await?;
    let samples = repository().join("deploy/samples");
    let port = core.choose_port(DOCUMENTS)?;
    documents::serve(samples.join("openapi"), port).await?;
    let url = format!("http://{}", loopback(port));
    let objects = apply::read_folder(&samples, &[("DOCUMENTS_URL", &url)])?;
    apply::objects(&client, &objects).await
}

/// Waits until every policy there is says that it is enforced.
pub(crate) async fn wait_enforced(core: &Core) -> Result<()> {
    let client = client(core.state_dir(), Persona::ClusterAdmin).await?;
    let policies = [
        ("kuadrant.io", "v1", "AuthPolicy", "authpolicies"),
        (
            "extensions.kuadrant.io",
            "v1alpha1",
            "PlanPolicy",
            "planpolicies",
        ),
    ];
    let begun = tokio::time::Instant::now();
    loop {
        let mut waiting = Vec::new();
        for (group, version, kind, plural) in policies {
            let resource = ApiResource {
                group: group.into(),
                version: version.into(),
                api_version: format!("{group}/{version}"),
                kind: kind.into(),
                plural: plural.into(),
            };
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            for policy in api.list(&ListParams::default()).await? {
                if !is_settled(&policy.data["status"]["conditions"]) {
                    let meta = policy.metadata;
                    waiting.push(format!(
                        "{kind} {}/{}: {}",
                        meta.namespace.unwrap_or_default(),
                        meta.name.unwrap_or_default(),
                        policy.data["status"]["conditions"]
                    ));
                }
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("not enforced within {PATIENCE:?}:\n{}", waiting.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Enforced, or knowingly overridden by another policy.
fn is_settled(conditions: &Value) -> bool {
    conditions
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| {
            condition["type"] == "Enforced"
                && (condition["status"] == "True" || condition["reason"] == "Overridden")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_another_overrides_is_waited_for_no_longer() {
        let of = |status: &str, reason: &str| {
            is_settled(&json!([{"type": "Enforced", "status": status, "reason": reason}]))
        };
        assert!(of("True", "Enforced"));
        assert!(of("False", "Overridden"));
        assert!(!of("False", "Unknown"));
        assert!(!is_settled(&Value::Null));
    }
}
