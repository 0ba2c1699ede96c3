//! How does a shell find the stack?

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use devportal_stack::{Persona, Program, Progress, State, obtain_program};

pub(crate) async fn run(dir: &Path) -> Result<ExitCode> {
    let state = State::find(dir)?
        .filter(State::is_supervised)
        .with_context(|| {
            let told = "the stack does not run: start it with cargo xtask up --detach";
            crate::of_stack(dir, told)
        })?;
    let kubeconfig = Persona::ClusterAdmin.kubeconfig(dir);
    println!(
        "export KUBECONFIG={}",
        quote(&kubeconfig.display().to_string())
    );
    let kubectl = obtain_program(Program::Kubectl, Progress::OnlyLong).await?;
    let folder = kubectl.parent().context("kubectl is in a folder")?;
    println!(
        "export PATH={}:\"$PATH\"",
        quote(&folder.display().to_string())
    );
    for (variable, name) in [
        ("AUTHORINO_URL", "authorino"),
        ("DOCUMENTS_URL", "documents"),
        ("GATEWAY_URL", "gateway"),
        ("PORTAL_URL", "portal"),
        ("BACKSTAGE_URL", "backstage"),
    ] {
        if let Some(port) = state.ports.find(name) {
            println!("export {variable}=http://127.0.0.1:{port}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// So that a shell reads it as one word.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_quote_stays_one_word() {
        assert_eq!(quote("/it's here"), r"'/it'\''s here'");
    }
}
