//! What does the organisation expect of every product, beyond what the API server
//! accepts?

use std::fmt;
use std::str::FromStr;

use devportal_api::APIProduct;
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;

use crate::resource::said;

/// What names and tags are to look like.
#[derive(Clone, Debug, Default)]
pub struct Conventions {
    /// The name of a product.
    pub name: Option<Pattern>,
    /// Each of its tags.
    pub tag: Option<Pattern>,
}

/// A regular expression that a text matches in whole.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    whole: Regex,
}

impl FromStr for Pattern {
    type Err = regex::Error;

    fn from_str(text: &str) -> Result<Self, regex::Error> {
        // By itself first: `a)|(b` is none, also where it would be one in brackets.
        Regex::new(text)?;
        Ok(Self {
            text: text.to_owned(),
            whole: Regex::new(&format!("^(?:{text})$"))?,
        })
    }
}

impl Pattern {
    fn has(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a product lacks, or what does not follow the organisation's conventions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Gap {
    /// The field, such as `spec.description`.
    field: &'static str,
    /// What is missing or wrong, for people.
    message: String,
}

fn gap(field: &'static str, message: impl Into<String>) -> Gap {
    Gap {
        field,
        message: message.into(),
    }
}

impl Conventions {
    /// Everything about a product that its owner could better.
    pub(crate) fn gaps(&self, name: &str, product: &APIProduct) -> Vec<Gap> {
        let spec = &product.spec;
        let mut gaps = vec![];
        if said(spec.description.as_ref()).is_none() {
            gaps.push(gap("spec.description", "nothing says what the API does"));
        }
        let documentation = spec.documentation.as_ref();
        let guides = documentation.is_some_and(|it| {
            [&it.docs_url, &it.swagger_ui, &it.techdocs_ref]
                .into_iter()
                .any(|it| said(it.as_ref()).is_some())
        });
        if !guides {
            let message = "there are no guides: no page, interactive page or TechDocs is named";
            gaps.push(gap("spec.documentation", message));
        }
        let names_document =
            documentation.is_some_and(|it| said(it.open_api_spec_url.as_ref()).is_some());
        let has_document = (product.status.as_ref()).is_some_and(|it| it.openapi.is_some());
        if !names_document {
            let message = "no OpenAPI document is named";
            gaps.push(gap("spec.documentation.openAPISpecURL", message));
        } else if !has_document {
            let message = "the OpenAPI document could not be fetched";
            gaps.push(gap("spec.documentation.openAPISpecURL", message));
        }
        let contact = spec.contact.as_ref().is_some_and(|it| {
            [&it.email, &it.slack, &it.url]
                .into_iter()
                .any(|it| said(it.as_ref()).is_some())
        });
        if !contact {
            let message = "there is nobody to ask: no e-mail address, channel or page";
            gaps.push(gap("spec.contact", message));
        }
        if let Some(pattern) = self.name.as_ref().filter(|it| !it.has(name)) {
            let message = format!("the name does not match {pattern}");
            gaps.push(gap("metadata.name", message));
        }
        if let Some(pattern) = &self.tag {
            let wrong = spec.tags.iter().filter(|it| !pattern.has(it));
            gaps.extend(wrong.map(|tag| {
                gap(
                    "spec.tags",
                    format!("the tag {tag:?} does not match {pattern}"),
                )
            }));
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn product(mut spec: serde_json::Value) -> APIProduct {
        let common = json!({
            "displayName": "Toys", "approvalMode": "manual", "publishStatus": "Published",
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "toys"},
        });
        for (name, value) in common.as_object().into_iter().flatten() {
            spec[name] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIProduct",
            "metadata": {"name": "toys", "namespace": "shop"}, "spec": spec,
        }))
        .unwrap()
    }

    fn fields(conventions: &Conventions, spec: serde_json::Value) -> Vec<&'static str> {
        let gaps = conventions.gaps("toys", &product(spec));
        gaps.into_iter().map(|it| it.field).collect()
    }

    #[test]
    fn a_product_with_nothing_but_a_name_lacks_what_consumers_look_for() {
        assert_eq!(
            fields(&Conventions::default(), json!({"description": " "})),
            [
                "spec.description",
                "spec.documentation",
                "spec.documentation.openAPISpecURL",
                "spec.contact",
            ]
        );
    }

    #[test]
    fn names_and_tags_match_in_whole() {
        let conventions = Conventions {
            name: Some("toy|toys".parse().unwrap()),
            tag: Some("[a-z]+".parse().unwrap()),
        };
        let spec = json!({
            "description": "All about toys", "tags": ["retail", "Toys", "a1"],
            "documentation": {"docsURL": "https://example.com"},
            "contact": {"slack": "#toys"},
        });
        assert_eq!(
            fields(&conventions, spec.clone()),
            [
                "spec.documentation.openAPISpecURL",
                "spec.tags",
                "spec.tags"
            ]
        );
        let strict = Conventions {
            name: Some("api-.*".parse().unwrap()),
            tag: None,
        };
        assert!(fields(&strict, spec).contains(&"metadata.name"));
    }
}
