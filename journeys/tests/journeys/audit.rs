//! Are the rights of the chart what our programs need, no fewer and no more? The API server
//! of each stack notes who asked for what, and whether they might.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use devportal_api::right::{Right, Table};
use devportal_stack::{Stack, node_permitted, repository};
use serde_json::Value;

/// Whose rights the stories live by.
const PROCESSES: [&str; 3] = ["controller", "server", UNINSTALL];
/// What runs on a node only: the job of the chart.
const UNINSTALL: &str = "uninstall";

/// Rights that no request of a story need carry, by verb and resource, with what they are for.
const UNSEEN: [(&str, &str); 6] = [
    ("control apikeyrequests", "admission policies"),
    ("record-reveal apikeys", "admission policies"),
    (
        "update apikeyrequests/finalizers",
        "OwnerReferencesPermissionEnforcement, which is off here",
    ),
    (
        "get apikeyapprovals",
        "a deletion that meets a conflict, which unit tests bring about",
    ),
    ("get apiproducts", LOOK),
    ("get apikeyrequests", LOOK),
];

const LOOK: &str = "a live look before something is deleted whose cause was not seen to end";

/// What a process asked for: verb, group, and plural or plural/subresource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    process: String,
    verb: String,
    group: String,
    resource: String,
}

/// What was used in this run, and by which stories.
static USED: Mutex<BTreeMap<Use, BTreeSet<String>>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The story that plays on this thread.
    static STORY: RefCell<String> = RefCell::new("the shared stage".to_owned());
}

/// A story begins on this thread.
pub(crate) fn begin(story: &str) {
    STORY.with_borrow_mut(|it| story.clone_into(it));
}

/// Notes what our programs used on a stack.
///
/// # Errors
///
/// When they lacked a right that the story has not taken from them: `taken` names
/// resources, `*` all.
pub(crate) fn look(stack: &Stack, taken: &BTreeSet<String>) -> Result<()> {
    let mut lacking = BTreeSet::new();
    let mut used = BTreeSet::new();
    for log in logs(stack)? {
        for (it, place, is_allowed) in fs::read_to_string(log)?.lines().filter_map(use_of) {
            let is_taken = taken.contains(&it.resource) || taken.contains("*");
            if is_allowed {
                used.insert((it, place));
            } else if !is_taken {
                lacking.insert((it, place));
            }
        }
    }
    // An API server that has just started knows of no rights yet.
    lacking.retain(|it| !used.contains(it));
    let story = STORY.with_borrow(Clone::clone);
    let mut all = USED.lock().unwrap_or_else(PoisonError::into_inner);
    for (it, _) in used {
        all.entry(it).or_default().insert(story.clone());
    }
    ensure!(lacking.is_empty(), "rights are lacking: {lacking:#?}");
    Ok(())
}

/// The API server's audit log as one text, with what was put aside of it, in order.
pub(crate) fn text(stack: &Stack) -> Result<String> {
    let parts = logs(stack)?.into_iter().map(fs::read_to_string);
    Ok(parts.collect::<std::io::Result<_>>()?)
}

/// The log, after what was put aside of it when it had grown long.
fn logs(stack: &Stack) -> Result<Vec<PathBuf>> {
    let now = stack.audit_log();
    let folder = now.parent().context("the log is in no folder")?;
    let mut all = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("audit") {
            all.push(file.path());
        }
    }
    // Each part is named after when it was put aside, as audit-TIME.log.
    all.sort();
    Ok(all)
}

/// Which right a line of the log is about, in which namespace where that is granted by
/// namespace, and whether there was one.
fn use_of(line: &str) -> Option<(Use, Option<String>, bool)> {
    // Most lines are about others, and reading all of them takes longer than some stories.
    line.contains(":devportal-").then_some(())?;
    let entry: Value = serde_json::from_str(line).ok()?;
    let user = entry["user"]["username"].as_str()?;
    let account = user.strip_prefix("system:serviceaccount:")?;
    let (_, process) = account.split_once(":devportal-")?;
    PROCESSES.contains(&process).then_some(())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &entry["objectRef"];
    // Not the refusals of admission, which are forbidden, too.
    let decision = entry["annotations"]["authorization.k8s.io/decision"].as_str()?;
    let resource = match (object["resource"].as_str(), object["subresource"].as_str()) {
        (Some(it), Some(sub)) => format!("{it}/{sub}"),
        (Some(it), None) => it.to_owned(),
        (None, _) => text(&entry["requestURI"]),
    };
    let it = Use {
        process: process.to_owned(),
        verb: text(&entry["verb"]),
        group: text(&object["apiGroup"]),
        resource,
    };
    let place = (it.resource == "secrets").then(|| text(&object["namespace"]));
    Some((it, place, decision == "allow"))
}

/// Writes down which right was used by which stories, and answers those that none used.
pub(crate) fn sum_up() -> Result<Vec<String>> {
    let table = fs::read_to_string(repository().join("deploy/chart/files/rights.yaml"))?;
    let table: Table = serde_yaml_ng::from_str(&table)?;
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut unused = Vec::new();
    let mut page = "| process | right | used by |\n|---|---|---|\n".to_owned();
    let has_node = node_permitted().is_ok();
    for it in PROCESSES
        .into_iter()
        .filter(|it| has_node || *it != UNINSTALL)
    {
        let places = table
            .get(it)
            .with_context(|| format!("{it} has no rights"))?;
        for wanted in places.values().flatten().flat_map(|right| uses(it, right)) {
            let right = format!("{} {} ({})", wanted.verb, wanted.resource, wanted.group);
            let whole = format!("{} {}", wanted.verb, wanted.resource);
            let unseen = UNSEEN.iter().find(|(it, _)| *it == whole);
            let by = match (used.get(&wanted), unseen) {
                (Some(stories), _) => match stories.first() {
                    Some(first) if stories.len() > 1 => {
                        format!("{first} and {} more", stories.len() - 1)
                    }
                    first => first.cloned().unwrap_or_default(),
                },
                (None, Some((_, what))) => (*what).to_owned(),
                (None, None) => {
                    unused.push(format!("{it}: {right}"));
                    String::new()
                }
            };
            writeln!(page, "| {it} | {right} | {by} |")?;
        }
    }
    fs::write(
        concat!(env!("CARGO_TARGET_TMPDIR"), "/rights-used.md"),
        page,
    )?;
    Ok(unused)
}

/// What a right allows, one by one.
fn uses(process: &str, right: &Right) -> Vec<Use> {
    let mut all = Vec::new();
    for group in &right.api_groups {
        for resource in &right.resources {
            all.extend(right.verbs.iter().map(|verb| Use {
                process: process.to_owned(),
                verb: verb.clone(),
                group: group.clone(),
                resource: resource.clone(),
            }));
        }
    }
    all
}
