//! Who uses the stack, and how does the API server know them?

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::json;

/// Someone with a token of their own. Each has a kubeconfig, and a context of
/// the same name in the administrator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Persona {
    /// May do anything (`system:masters`).
    ClusterAdmin,
    /// alice asks for access (group `consumers`).
    Consumer,
    /// bob asks too, and must not see what is alice's.
    OtherConsumer,
    /// olivia owns APIs and decides (group `api-owners`).
    Owner,
    /// adam looks after all APIs (group `api-admins`).
    ApiAdmin,
    /// petra runs the gateway (group `platform-engineers`).
    PlatformEngineer,
    /// Our controller, with the rights it has in a cluster.
    Controller,
    /// The portal API, with the rights it has in a cluster.
    Portal,
    /// Backstage's back end, with the rights it has in a cluster.
    Backstage,
    /// The kubelet of the node, with the rights it has in a cluster.
    Node,
}

impl Persona {
    /// Everyone.
    pub const ALL: [Self; 10] = [
        Self::ClusterAdmin,
        Self::Consumer,
        Self::OtherConsumer,
        Self::Owner,
        Self::ApiAdmin,
        Self::PlatformEngineer,
        Self::Controller,
        Self::Portal,
        Self::Backstage,
        Self::Node,
    ];

    /// The name of the context and of the kubeconfig.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClusterAdmin => "admin",
            Self::Consumer => "alice",
            Self::OtherConsumer => "bob",
            Self::Owner => "olivia",
            Self::ApiAdmin => "adam",
            Self::PlatformEngineer => "petra",
            Self::Controller => "controller",
            Self::Portal => "portal",
            Self::Backstage => "backstage",
            Self::Node => "node",
        }
    }

    /// As the API server knows them.
    pub const fn user(self) -> &'static str {
        match self {
            Self::Controller => "system:serviceaccount:kuadrant-system:devportal-controller",
            Self::Portal => "system:serviceaccount:kuadrant-system:devportal-server",
            Self::Backstage => "system:serviceaccount:backstage:devportal-backstage",
            Self::Node => "system:node:localhost",
            other => other.name(),
        }
    }

    /// The groups they are in.
    pub const fn groups(self) -> &'static [&'static str] {
        match self {
            Self::ClusterAdmin => &["system:masters"],
            Self::Consumer | Self::OtherConsumer => &["consumers"],
            Self::Owner => &["api-owners"],
            Self::ApiAdmin => &["api-admins"],
            Self::PlatformEngineer => &["platform-engineers"],
            Self::Controller | Self::Portal => &[
                "system:serviceaccounts",
                "system:serviceaccounts:kuadrant-system",
            ],
            Self::Backstage => &["system:serviceaccounts", "system:serviceaccounts:backstage"],
            Self::Node => &["system:nodes"],
        }
    }

    /// Their token, as their kubeconfig has it.
    pub(crate) fn token(self, state_dir: &Path) -> Result<String> {
        let text = fs::read_to_string(self.kubeconfig(state_dir))?;
        let config: serde_json::Value = serde_yaml_ng::from_str(&text)?;
        let users = config["users"].as_array().into_iter().flatten();
        let mut mine = users.filter(|it| it["name"] == self.name());
        let token = mine.find_map(|it| it["user"]["token"].as_str());
        token
            .map(str::to_owned)
            .with_context(|| format!("the kubeconfig of {} has no token", self.name()))
    }

    /// Where their kubeconfig is.
    pub fn kubeconfig(self, state_dir: &Path) -> PathBuf {
        state_dir
            .join("kubeconfigs")
            .join(format!("{}.yaml", self.name()))
    }
}

/// The secrets of one run, in the order of `Persona::ALL`.
#[derive(Clone)]
pub(crate) struct Tokens(Vec<(Persona, String)>);

impl Tokens {
    pub(crate) fn random() -> Self {
        Self(
            Persona::ALL
                .into_iter()
                .map(|persona| (persona, hex::encode(rand::random::<[u8; 24]>())))
                .collect(),
        )
    }

    /// The text of the API server's token file.
    fn file(&self) -> String {
        self.0.iter().fold(String::new(), |text, (persona, token)| {
            let (user, groups) = (persona.user(), persona.groups().join(","));
            text + &format!("{token},{user},{user},\"{groups}\"\n")
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        secret(path, &self.file())
    }

    /// Writes a kubeconfig per persona; the administrator's knows all of them.
    pub(crate) fn write_kubeconfigs(
        &self,
        state_dir: &Path,
        server: &str,
        authority: &[u8],
    ) -> Result<()> {
        let authority = base64(authority);
        fs::create_dir_all(state_dir.join("kubeconfigs"))?;
        for persona in Persona::ALL {
            let known = self
                .0
                .iter()
                .filter(|(other, _)| *other == persona || persona == Persona::ClusterAdmin);
            let (mut users, mut contexts) = (Vec::new(), Vec::new());
            for (other, token) in known {
                users.push(json!({"name": other.name(), "user": {"token": token}}));
                contexts.push(json!({
                    "name": other.name(),
                    "context": {"cluster": "devportal", "user": other.name()},
                }));
            }
            let config = json!({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{
                    "name": "devportal",
                    "cluster": {"server": server, "certificate-authority-data": authority},
                }],
                "users": users,
                "contexts": contexts,
                "current-context": persona.name(),
            });
            secret(
                &persona.kubeconfig(state_dir),
                &serde_yaml_ng::to_string(&config)?,
            )?;
        }
        Ok(())
    }
}

/// Writes a file only its owner can read, whatever was there before.
pub(crate) fn secret(path: &Path, text: &str) -> Result<()> {
    let write = || {
        if path.exists() {
            fs::remove_file(path)?;
        }
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?
            .write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn base64(bytes: &[u8]) -> String {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()))
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_token_file_quotes_several_groups() {
        let tokens = Tokens(vec![(Persona::Controller, "t".into())]);
        assert_eq!(
            tokens.file(),
            "t,system:serviceaccount:kuadrant-system:devportal-controller,\
             system:serviceaccount:kuadrant-system:devportal-controller,\
             \"system:serviceaccounts,system:serviceaccounts:kuadrant-system\"\n"
        );
    }

    #[test]
    fn nobody_else_on_the_machine_can_read_a_token() {
        let dir = tempfile::tempdir().unwrap();
        Tokens::random()
            .write_kubeconfigs(dir.path(), "https://127.0.0.1:1", b"x")
            .unwrap();
        let mode = fs::metadata(Persona::Consumer.kubeconfig(dir.path()))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_persona_holds_only_their_own_token() {
        let dir = tempfile::tempdir().unwrap();
        Tokens::random()
            .write_kubeconfigs(dir.path(), "https://127.0.0.1:1", b"x")
            .unwrap();
        let text = fs::read_to_string(Persona::Consumer.kubeconfig(dir.path())).unwrap();
        assert_eq!(text.matches("token:").count(), 1);
    }
}
