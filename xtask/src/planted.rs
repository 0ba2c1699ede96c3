//! Do the random histories of the core find faults? Bugs are planted in a copy, one
//! at a time, and each must make a property fail.

mod table;
mod tree;
mod trial;

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use anyhow::{Result, bail};
use devportal_stack::{Progress, repository};

use self::table::{Bug, PATH, Table};
use self::tree::Tree;
use self::trial::{Build, Trial, Verdict};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The bugs are the rows of crates/core/tests/planted.toml, the properties those of
crates/core/tests/properties.rs. Nothing is changed but the copy in target/planted.

Examples:
  cargo xtask planted                   every row: some minutes
  cargo xtask planted 3 7               two rows, by number
  cargo xtask planted denial            the rows that have this in their name
  cargo xtask planted 3 --cases 40000   would more cases find it?
  cargo xtask planted --list            the rows
  cargo xtask planted --check           whether each still fits the code, at once")]
pub(crate) struct Arguments {
    /// Only these rows: a number, or a part of the name [default: all].
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// Only the rows that are marked as quick, built as other tests are: what the full `ci` runs.
    #[arg(long, conflicts_with = "rows")]
    quick: bool,
    /// How many random histories each property tries.
    #[arg(long, default_value_t = 4000, value_name = "NUMBER")]
    cases: u32,
    /// Show the rows and run nothing.
    #[arg(long)]
    list: bool,
    /// Run nothing; fail when the text of a row does not occur exactly once.
    #[arg(long, conflicts_with = "list")]
    check: bool,
}

/// No property failed where one had to.
#[derive(Debug)]
struct Missed;

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no property fails")
    }
}

impl Error for Missed {}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let table = Table::read(repository())?;
    let chosen = if arguments.quick {
        table.quick()
    } else {
        table.choose(&arguments.rows)?
    };
    if arguments.list {
        for (number, bug) in &chosen {
            let mark = if bug.quick { " (quick)" } else { "" };
            println!("{number:>2}  {}{mark}\n    {}", bug.name, bug.file);
        }
        return Ok(ExitCode::SUCCESS);
    }
    table::check(repository(), &chosen)?;
    let progress = Progress::detect();
    if arguments.check {
        progress.note(format!(
            "Each of {} planted bugs fits the code.",
            chosen.len()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let tree = Tree::lay(repository())?;
    let build = if arguments.quick {
        Build::Plain
    } else {
        Build::Optimised
    };
    let trial = Trial::new(&tree, build, arguments.cases)?;
    progress
        .step("no bug, and no property fails", sound(&trial))
        .await?;
    let mut outcomes = Vec::new();
    for (number, bug) in chosen {
        let name = format!("{number} {}", bug.name);
        let outcome = progress.step(&name, find(&trial, &tree, bug)).await;
        match &outcome {
            Ok(found) => progress.note(format!("      {found}")),
            Err(error) if error.is::<Missed>() => {}
            Err(error) => eprintln!("{error:#}\n"),
        }
        outcomes.push((name, outcome));
    }
    Ok(sum_up(&outcomes, progress))
}

/// The properties hold of the code as it is.
async fn sound(trial: &Trial<'_>) -> Result<()> {
    match trial.run().await? {
        Verdict::Holds => Ok(()),
        Verdict::Fails {
            property,
            case,
            why,
        } => bail!(
            "{property} fails without any bug, in case {case}: {why}\n\
             Mend that first: `cargo test --release -p devportal-core --test pure properties`"
        ),
    }
}

/// Which property finds the bug, and how soon.
async fn find(trial: &Trial<'_>, tree: &Tree, bug: &Bug) -> Result<String> {
    let original = table::source(repository(), bug)?;
    tree.write(&bug.file, &bug.plant(&original)?)?;
    let verdict = trial.run().await;
    tree.write(&bug.file, &original)?;
    match verdict? {
        Verdict::Fails {
            property,
            case,
            why,
        } => Ok(format!("case {case} of {property}: {why}")),
        Verdict::Holds => Err(Missed.into()),
    }
}

/// The last lines, and whether every bug was found.
fn sum_up(outcomes: &[(String, Result<String>)], progress: Progress) -> ExitCode {
    let (mut missed, mut broken) = (Vec::new(), Vec::new());
    for (name, outcome) in outcomes {
        match outcome {
            Ok(_) => {}
            Err(error) if error.is::<Missed>() => missed.push(name.as_str()),
            Err(_) => broken.push(name.as_str()),
        }
    }
    let all = outcomes.len();
    let found = all - missed.len() - broken.len();
    progress.note(format!("{found} of {all} planted bugs were found."));
    if !missed.is_empty() {
        eprintln!(
            "\nNot found:\n  {}\n\
             The properties no longer see what these bugs do. Try them with\n\
             `--cases 40000`: found then, the histories have become too rare, so give their\n\
             actions more weight in crates/core/tests/common/action.rs. Otherwise let\n\
             crates/core/tests/common/oracle.rs or properties.rs tell what must hold. Only a\n\
             bug that can do no harm any more makes room for another row in {PATH}.",
            missed.join("\n  ")
        );
    }
    if !broken.is_empty() {
        eprintln!(
            "\nNot tried, for what is told above:\n  {}\n\
             A planted bug must compile and make a property fail: mend its row in {PATH}.",
            broken.join("\n  ")
        );
    }
    if missed.is_empty() && broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
