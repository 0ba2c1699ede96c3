//! Which labels a selector asks for.

use std::collections::BTreeMap;

use devportal_core::discover::selector::{satisfy, selects};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

type Labels = BTreeMap<String, String>;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(label, value)| ((*label).into(), (*value).into()))
        .collect()
}

fn expression(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
    LabelSelectorRequirement {
        key: key.into(),
        operator: operator.into(),
        values: Some(values.iter().map(|it| (*it).to_owned()).collect()),
    }
}

/// The labels `ours=yes` after a selector had its way.
fn satisfied(
    exact: &[(&str, &str)],
    expressions: &[LabelSelectorRequirement],
) -> Result<Labels, String> {
    let selector = LabelSelector {
        match_labels: Some(labels(exact)),
        match_expressions: Some(expressions.to_vec()),
    };
    let mut have = labels(&[("ours", "yes")]);
    satisfy(&selector, &mut have).map(|()| have)
}

#[test]
fn what_a_selector_asks_for_is_added_to_what_is_there() {
    let cases = [
        (satisfied(&[("api", "games")], &[]), ("api", "games")),
        (
            satisfied(&[], &[expression("api", "In", &["games", "maps"])]),
            ("api", "games"),
        ),
        (
            satisfied(&[], &[expression("api", "Exists", &[])]),
            ("api", "true"),
        ),
        (
            satisfied(&[("api", "x")], &[expression("api", "Exists", &[])]),
            ("api", "x"),
        ),
    ];
    for (have, added) in cases {
        assert_eq!(have, Ok(labels(&[("ours", "yes"), added])));
    }
}

#[test]
fn what_forbids_nothing_of_ours_changes_nothing() {
    let ours = Ok(labels(&[("ours", "yes")]));
    assert_eq!(satisfied(&[], &[]), ours);
    assert_eq!(satisfied(&[("ours", "yes")], &[]), ours);
    assert_eq!(
        satisfied(&[], &[expression("ours", "In", &["no", "yes"])]),
        ours
    );
    assert_eq!(satisfied(&[], &[expression("ours", "Exists", &[])]), ours);
    assert_eq!(
        satisfied(&[], &[expression("ours", "NotIn", &["no"])]),
        ours
    );
    assert_eq!(
        satisfied(&[], &[expression("other", "NotIn", &["no"])]),
        ours
    );
    assert_eq!(
        satisfied(&[], &[expression("other", "DoesNotExist", &[])]),
        ours
    );
}

#[test]
fn what_cannot_be_met_is_said_and_a_label_of_ours_is_never_changed() {
    let cases = [
        (
            satisfied(&[("ours", "no")], &[]),
            r#"it asks for ours=no, and the label is "yes""#,
        ),
        (
            satisfied(&[], &[expression("ours", "In", &["no"])]),
            r#"it asks for ours in ["no"], and the label is "yes""#,
        ),
        (
            satisfied(&[], &[expression("other", "In", &[])]),
            "other In () matches nothing",
        ),
        (
            satisfied(&[], &[expression("ours", "NotIn", &["yes"])]),
            "it excludes ours=yes, which the Secret must carry",
        ),
        (
            satisfied(&[], &[expression("ours", "DoesNotExist", &[])]),
            "it excludes the label ours, which the Secret must carry",
        ),
        (
            satisfied(&[], &[expression("ours", "Gt", &["1"])]),
            r#"operator "Gt" is unknown"#,
        ),
    ];
    for (have, why) in cases {
        assert_eq!(have, Err(why.to_owned()));
    }
}

#[test]
fn demands_that_contradict_each_other_are_seen_in_any_order() {
    let adds = expression("api", "In", &["games"]);
    let forbids = expression("api", "NotIn", &["games"]);
    let why = Err("it excludes api=games, which the Secret must carry".to_owned());
    assert_eq!(satisfied(&[], &[adds.clone(), forbids.clone()]), why);
    assert_eq!(satisfied(&[], &[forbids, adds]), why);
}

#[test]
fn one_value_is_found_that_satisfies_all_demands_on_a_label() {
    let api = |operator, values: &[&str]| expression("api", operator, values);
    let games = Ok(labels(&[("api", "games"), ("ours", "yes")]));
    let both = [api("In", &["maps", "games"]), api("NotIn", &["maps"])];
    assert_eq!(satisfied(&[], &both), games);
    let narrowing = [api("In", &["maps", "games"]), api("In", &["games"])];
    assert_eq!(satisfied(&[], &narrowing), games);
    let late = [api("Exists", &[]), api("In", &["games"])];
    assert_eq!(satisfied(&[], &late), games);
}

#[test]
fn a_selector_selects_what_has_all_it_asks_for() {
    let select = |exact: &[(&str, &str)], expressions: &[LabelSelectorRequirement]| {
        let selector = LabelSelector {
            match_labels: Some(labels(exact)),
            match_expressions: Some(expressions.to_vec()),
        };
        selects(&selector, &labels(&[("ours", "yes")]))
    };
    assert!(select(&[], &[]));
    assert!(select(&[("ours", "yes")], &[]));
    assert!(!select(&[("ours", "no")], &[]));
    assert!(!select(&[("other", "yes")], &[]));
    for (key, operator, values, is_met) in [
        ("ours", "In", &["no", "yes"][..], true),
        ("ours", "In", &["no"], false),
        ("other", "In", &["yes"], false),
        ("ours", "NotIn", &["yes"], false),
        ("other", "NotIn", &["yes"], true),
        ("ours", "Exists", &[], true),
        ("other", "Exists", &[], false),
        ("ours", "DoesNotExist", &[], false),
        ("other", "DoesNotExist", &[], true),
        ("ours", "Gt", &["1"], false),
    ] {
        let demand = expression(key, operator, values);
        assert_eq!(
            select(&[], &[demand]),
            is_met,
            "{key} {operator} {values:?}"
        );
    }
}
