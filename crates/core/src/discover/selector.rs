//! Which labels make a Secret match a selector?

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

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
    let mut expressions: Vec<_> = selector.match_expressions.iter().flatten().collect();
    // What adds labels comes before what forbids them.
    expressions.sort_by_key(|e| matches!(e.operator.as_str(), "NotIn" | "DoesNotExist"));
    for expression in expressions {
        let key = &expression.key;
        let values = expression.values.as_deref().unwrap_or_default();
        let have = labels.get(key);
        match (expression.operator.as_str(), have) {
            ("In", None) => match values.first() {
                Some(value) => drop(labels.insert(key.clone(), value.clone())),
                None => return Err(format!("{key} In () matches nothing")),
            },
            ("Exists", None) => drop(labels.insert(key.clone(), "true".to_owned())),
            ("In", Some(have)) if !values.contains(have) => {
                return Err(format!(
                    "it asks for {key} in {values:?}, and the label is {have:?}"
                ));
            }
            ("NotIn", Some(have)) if values.contains(have) => {
                return Err(format!(
                    "it excludes {key}={have}, which the Secret must carry"
                ));
            }
            ("DoesNotExist", Some(_)) => {
                return Err(format!(
                    "it excludes the label {key}, which the Secret must carry"
                ));
            }
            ("In" | "Exists" | "NotIn" | "DoesNotExist", _) => {}
            (operator, _) => return Err(format!("operator {operator:?} is unknown")),
        }
    }
    Ok(())
}
