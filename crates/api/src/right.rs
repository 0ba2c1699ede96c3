//! What may a process of ours do by itself, and why? As `deploy/chart/files/rights.yaml`
//! tells it: the one table, from which the chart grants, the reference is written, and
//! `devportal doctor` asks.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The rights of each process, by where they hold: `cluster`, `secrets`, `kuadrant` or
/// `release`.
pub type Table = BTreeMap<String, BTreeMap<String, Vec<Right>>>;

/// A rule of RBAC, and what it is for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Right {
    /// As in a rule.
    pub api_groups: Vec<String>,
    /// As in a rule: `plural` or `plural/subresource`.
    pub resources: Vec<String>,
    /// As in a rule: any where there is none.
    #[serde(default)]
    pub resource_names: Vec<String>,
    /// As in a rule.
    pub verbs: Vec<String>,
    /// A sentence for people.
    pub why: String,
}
