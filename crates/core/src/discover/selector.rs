//! Which labels make a Secret match a selector?

use std::collections::BTreeMap;

use devportal_api::id::ProductId;
use devportal_api::name::{self, label};
use devportal_api::scheme::ApiKeyAuthentication;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// The labels of every credential for a product. They say whose it is: a selector
/// that asks for them takes no other product's keys.
pub fn labels_for(product: &ProductId) -> BTreeMap<String, String> {
    [
        (label::ENFORCEMENT, "true".to_owned()),
        (label::MANAGED_BY, label::MANAGED_BY_AUTHORINO.to_owned()),
        (label::PRODUCT, name::label_value(&product.name)),
        (
            label::PRODUCT_NAMESPACE,
            name::label_value(&product.namespace),
        ),
    ]
    .map(|(label, value)| (label.to_owned(), value))
    .into()
}

/// Whether a selector takes a Secret with these labels.
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut exact = selector.match_labels.iter().flatten();
    let expressions = selector.match_expressions.as_deref().unwrap_or_default();
    exact.all(|(key, value)| labels.get(key) == Some(value))
        && expressions
            .iter()
            .all(|it| check(it, labels.get(&it.key)).is_ok_and(|()| is_there(it, labels)))
}

/// Whether a rule takes the key of a Secret with these labels: one without a selector takes all.
pub fn takes(rule: &ApiKeyAuthentication, labels: &BTreeMap<String, String>) -> bool {
    let selector = rule.selector.as_ref();
    selector.is_none_or(|it| selects(it, labels))
}

/// `Exists` is met by adding the label; to be selected it must be there.
fn is_there(demand: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    demand.operator != "Exists" || labels.contains_key(&demand.key)
}

/// Adds to `labels` what the selector asks for.
///
/// # Errors
///
/// Says, for people, which demand cannot be met: a label that is already there
/// is never changed, because it says whose Secret it is.
pub fn satisfy(
    selector: &LabelSelector,
    labels: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    for (key, value) in selector.match_labels.iter().flatten() {
        match labels.get(key) {
            Some(have) if have != value => {
                return Err(format!(
                    "it asks for {key}={value}, and the label is {have:?}"
                ));
            }
            _ => labels.insert(key.clone(), value.clone()),
        };
    }
    let expressions = selector.match_expressions.as_deref().unwrap_or_default();
    for LabelSelectorRequirement { key, .. } in expressions {
        if !labels.contains_key(key)
            && let Some(value) = choose(key, expressions)
        {
            labels.insert(key.clone(), value);
        }
    }
    expressions
        .iter()
        .try_for_each(|expression| check(expression, labels.get(&expression.key)))
}

/// A value for a label with which the selector takes its Secret, where there is one; any where
/// it asks for none.
pub fn value_for(selector: &LabelSelector, key: &str) -> String {
    let mut exact = selector.match_labels.iter().flatten();
    let exact = exact.find(|(label, _)| *label == key);
    let expressions = selector.match_expressions.as_deref().unwrap_or_default();
    let value = exact.map(|(_, value)| value.clone());
    value
        .or_else(|| choose(key, expressions))
        .unwrap_or_else(|| "any".to_owned())
}

/// A value for a label that is asked for: one that meets every demand on it,
/// where there is one.
fn choose(key: &str, expressions: &[LabelSelectorRequirement]) -> Option<String> {
    let demands = || expressions.iter().filter(|it| it.key == key);
    let listed = demands().find(|it| it.operator == "In");
    let any = demands().any(|it| it.operator == "Exists");
    let mut candidates: Vec<String> = match listed {
        Some(listed) => listed.values.clone().unwrap_or_default(),
        None if any => ["true", "yes", "any", "some"].map(str::to_owned).into(),
        None => return None,
    };
    let fits = |value: &String| demands().all(|it| check(it, Some(value)).is_ok());
    let at = candidates.iter().position(fits).unwrap_or_default();
    (at < candidates.len()).then(|| candidates.swap_remove(at))
}

fn check(demand: &LabelSelectorRequirement, have: Option<&String>) -> Result<(), String> {
    let key = &demand.key;
    let values = demand.values.as_deref().unwrap_or_default();
    match (demand.operator.as_str(), have) {
        ("In", None) => Err(format!("{key} In () matches nothing")),
        ("In", Some(have)) if !values.contains(have) => Err(format!(
            "it asks for {key} in {values:?}, and the label is {have:?}"
        )),
        ("NotIn", Some(have)) if values.contains(have) => Err(format!(
            "it excludes {key}={have}, which the Secret must carry"
        )),
        ("DoesNotExist", Some(_)) => Err(format!(
            "it excludes the label {key}, which the Secret must carry"
        )),
        ("In" | "Exists" | "NotIn" | "DoesNotExist", _) => Ok(()),
        (operator, _) => Err(format!("operator {operator:?} is unknown")),
    }
}
