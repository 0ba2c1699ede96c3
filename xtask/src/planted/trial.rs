//! Do the properties hold of the copy as it is now?

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use devportal_stack::{cargo, repository};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::tree::Tree;

/// The package and the test program that the properties are in.
const PACKAGE: &str = "devportal-core";
const PROGRAM: &str = "pure";
const PROPERTIES: &str = "properties";
/// All properties at once, on however few processors: whichever finds a bug is soon
/// told.
const THREADS: &str = "--test-threads=8";

/// How the tests are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build {
    /// For many cases: optimised, which takes minutes.
    Optimised,
    /// For few: as all other tests, and with what these were built from.
    Plain,
}

/// How the properties are tried.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    tree: &'a Tree,
    build: Build,
    cases: u32,
    /// What `.cargo/config.toml` sets, the seed among it.
    environment: Vec<(String, String)>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All properties hold.
    Holds,
    /// The first that does not, in which case, and what it says.
    Fails {
        property: String,
        case: u32,
        why: String,
    },
}

impl<'a> Trial<'a> {
    pub(super) fn new(tree: &'a Tree, build: Build, cases: u32) -> Result<Self> {
        let path = tree.sources().join(".cargo/config.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let environment = environment(&text).with_context(|| format!("in {}", path.display()))?;
        Ok(Self {
            tree,
            build,
            cases,
            environment,
        })
    }

    /// Builds the tests and tries the properties until one fails.
    ///
    /// # Errors
    ///
    /// When the tests do not compile, or fail by anything but a property.
    pub(super) async fn run(&self) -> Result<Verdict> {
        let program = self.build().await?;
        let mut child = self.start(&program)?;
        let stderr = child.stderr.take().context("the tests have an output")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut ear = Ear::default();
        while let Some(line) = lines
            .next_line()
            .await
            .context("reading the tests' output")?
        {
            if let Some(verdict) = ear.hear(&line)? {
                stop(&mut child).await?;
                return Ok(verdict);
            }
        }
        let status = child.wait().await.context("waiting for the tests")?;
        ear.end(status)
    }

    /// The path of the test program.
    async fn build(&self) -> Result<PathBuf> {
        let (profile, target) = match self.build {
            Build::Optimised => ("release", self.tree.target()),
            Build::Plain => ("dev", repository().join("target")),
        };
        let output = cargo()
            .args(["test", "--profile", profile])
            .args(["--package", PACKAGE, "--test", PROGRAM])
            .args([
                "--no-run",
                "--quiet",
                "--message-format",
                "json-render-diagnostics",
            ])
            .arg("--target-dir")
            .arg(target)
            .current_dir(self.tree.sources())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot run cargo")?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("the tests do not compile:\n{complaint}");
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        find_program(&messages).context("cargo does not tell where the tests are")
    }

    fn start(&self, program: &PathBuf) -> Result<Child> {
        let set = self.environment.iter();
        // As cargo does: what is set already stays.
        let set = set.filter(|(name, _)| std::env::var_os(name).is_none());
        Command::new(program)
            .args([PROPERTIES, "--nocapture", THREADS])
            .envs(set.map(|(name, value)| (name, value)))
            .env("PROPTEST_CASES", self.cases.to_string())
            // That it fails is enough: nobody reads the smallest history.
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .current_dir(self.tree.sources().join("crates/core"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))
    }
}

/// Ends the tests, unless they ended by themselves.
async fn stop(child: &mut Child) -> Result<()> {
    child.kill().await.context("ending the tests")
}

/// What cargo's configuration sets for the programs it runs.
fn environment(config: &str) -> Result<Vec<(String, String)>> {
    let config: toml::Table = config.parse()?;
    let set = config.get("env").and_then(toml::Value::as_table);
    set.into_iter()
        .flatten()
        .map(|(name, value)| {
            let value = value
                .as_str()
                .with_context(|| format!("{name} is no text"))?;
            Ok((name.clone(), value.to_owned()))
        })
        .collect()
}

/// Where cargo says that the test program is.
fn find_program(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let mut programs = messages.filter_map(|message| {
        let is_it = message["target"]["name"] == PROGRAM;
        is_it.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    programs.next()
}

/// Understands what the tests say, line by line.
#[derive(Debug, Default)]
struct Ear {
    /// Everything, for when it is not understood.
    heard: String,
    /// Whose panic is being told.
    speaker: Option<String>,
    /// Why the speaker's property does not hold.
    why: Option<String>,
}

impl Ear {
    /// Takes one line in; a verdict as soon as there is one.
    fn hear(&mut self, line: &str) -> Result<Option<Verdict>> {
        self.heard.push_str(line);
        self.heard.push('\n');
        if let Some(rest) = line.strip_prefix("thread '") {
            let whole = rest.split('\'').next().unwrap_or(rest);
            let prefix = format!("{PROPERTIES}::");
            self.speaker = whole.strip_prefix(&prefix).map(str::to_owned);
            self.why = None;
        } else if let Some(why) = line.strip_prefix("Test failed: ") {
            self.why = Some(why.to_owned());
        } else if let Some(why) = line.strip_prefix("Test aborted: ") {
            bail!("the properties were given up: {why}");
        } else if let Some(cases) = line.trim_start().strip_prefix("successes: ")
            && let (Some(property), Some(why)) = (self.speaker.take(), self.why.take())
        {
            let before: u32 = cases.parse().with_context(|| format!("in \"{line}\""))?;
            return Ok(Some(Verdict::Fails {
                property,
                case: before + 1,
                why,
            }));
        }
        Ok(None)
    }

    /// The verdict after the last line.
    fn end(self, status: ExitStatus) -> Result<Verdict> {
        if status.success() {
            return Ok(Verdict::Holds);
        }
        bail!(
            "the tests fail ({status}), and no property did:\n{}",
            self.heard
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn listen(said: &str) -> Result<Option<Verdict>> {
        let mut ear = Ear::default();
        for line in said.lines() {
            if let Some(verdict) = ear.hear(line)? {
                return Ok(Some(verdict));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_failed_property_is_told_with_its_case() {
        let said = "
thread 'properties::all_ends_well' (7) panicked at crates/core/tests/common/oracle.rs:9:5:
alice is not granted
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

thread 'properties::all_ends_well' (7) panicked at crates/core/tests/properties.rs:40:1:
Test failed: alice is not granted.
minimal failing input: actions = []
\tsuccesses: 11
\tlocal rejects: 0
";
        let fails = Verdict::Fails {
            property: "all_ends_well".into(),
            case: 12,
            why: "alice is not granted.".into(),
        };
        assert_eq!(listen(said).unwrap(), Some(fails));
    }

    #[test]
    fn a_panic_that_is_no_property_is_an_error() {
        let mut ear = Ear::default();
        let said = "thread 'properties::all_ends_well' (7) panicked at a.rs:1:1:\nno memory";
        for line in said.lines() {
            assert_eq!(ear.hear(line).unwrap(), None);
        }
        let told = ear.end(ExitStatus::from_raw(101 << 8)).unwrap_err();
        assert!(told.to_string().ends_with("no memory\n"));
    }

    #[test]
    fn histories_that_were_given_up_are_an_error() {
        assert!(listen("Test aborted: Too many global rejects").is_err());
    }

    #[test]
    fn tests_that_end_well_hold() {
        let verdict = Ear::default().end(ExitStatus::from_raw(0)).unwrap();
        assert_eq!(verdict, Verdict::Holds);
    }

    #[test]
    fn the_test_program_is_where_cargo_says() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"devportal_core"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"pure"},"executable":"/t/pure-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(find_program(messages), Some(PathBuf::from("/t/pure-1")));
        assert_eq!(find_program("{}"), None);
    }

    #[test]
    fn the_seed_is_the_one_of_cargos_configuration() {
        let set = environment("[env]\nPROPTEST_RNG_SEED = \"1\"\n").unwrap();
        assert_eq!(set, [("PROPTEST_RNG_SEED".to_owned(), "1".to_owned())]);
        assert_eq!(environment("[alias]\n").unwrap(), []);
    }
}
