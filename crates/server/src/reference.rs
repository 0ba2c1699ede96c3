//! What does a reason mean, and what is to be done? What the reference says, which people
//! read in the documentation and in portals alike.

use std::collections::HashMap;
use std::sync::LazyLock;

const CONDITIONS: &str = include_str!("../../../docs/reference/conditions.md");

/// By condition type and reason.
type Reasons<'a> = HashMap<&'a str, HashMap<&'a str, String>>;

static REASONS: LazyLock<Reasons<'static>> = LazyLock::new(|| reasons(CONDITIONS));

/// What the reference says about a reason of a condition, as plain text.
pub(crate) fn about(kind: &str, reason: &str) -> Option<&'static str> {
    REASONS.get(kind)?.get(reason).map(String::as_str)
}

/// What stands below each heading `` #### `Reason` ``. The type is named at the end of
/// the heading above it.
fn reasons(reference: &str) -> Reasons<'_> {
    let mut all = Reasons::new();
    let mut kind = "";
    let mut current: Option<(&str, String)> = None;
    let mut is_example = false;
    // A heading of nothing ends the last.
    for line in reference.lines().chain(["#"]) {
        if line.starts_with("```") {
            is_example = !is_example;
        } else if is_example {
            // Nothing to be read in a line of text.
        } else if line.starts_with('#') {
            if let Some((reason, text)) = current.take() {
                all.entry(kind).or_default().insert(reason, plain(&text));
            }
            let name = line.strip_suffix('`').and_then(|it| it.rsplit_once('`'));
            match name {
                Some(("#### ", reason)) => current = Some((reason, String::new())),
                Some((_, name)) => kind = name,
                None => {}
            }
        } else if let Some((_, text)) = &mut current
            && !line.starts_with("<a ")
        {
            text.push_str(line);
            text.push(' ');
        }
    }
    all
}

/// Without the marks of Markdown that the reference uses: code, and links, of which the
/// text stays.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        match after.split_once("](") {
            Some((linked, address)) => {
                text.push_str(linked);
                rest = address.split_once(')').map_or("", |(_, it)| it);
            }
            None => rest = after,
        }
    }
    text.push_str(rest);
    let words = text.split_whitespace().collect::<Vec<_>>();
    words.join(" ").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_in_plain_words() {
        let all = reasons(
            "### Is it there? `Found`\n\n<a id=\"it\"></a>\n\n#### `Lost`\n\nThe `route` of\n[the \
             product](#it) is gone.\n\n```yaml\nan: example\n```\n\n## Next\n",
        );
        assert_eq!(all["Found"]["Lost"], "The route of the product is gone.");
    }

    #[test]
    fn every_reason_of_the_reference_is_told_by_its_type() {
        let plans = about("PlanPolicyDiscovered", "NotFound").unwrap();
        let auth = about("AuthPolicyDiscovered", "NotFound").unwrap();
        assert!(plans.contains("PlanPolicy") && auth.contains("AuthPolicy"));
        let shared = about("SelectorShared", "AcrossNamespaces").unwrap();
        assert!(
            !shared.contains("matchLabels"),
            "an example is text: {shared}"
        );
        for (reason, text) in REASONS.values().flatten() {
            assert!(!text.is_empty(), "{reason:?}");
            assert!(!text.contains(['`', '[', '#', '<']), "{reason:?}: {text}");
        }
    }
}
