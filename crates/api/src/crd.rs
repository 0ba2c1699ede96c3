//! Which definitions does an installation need? The four the
//! types generate, with what the types cannot say added.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct, GROUP};

/// The definitions of the four kinds, in the order their people meet them.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = [
        APIProduct::crd(),
        APIKey::crd(),
        APIKeyRequest::crd(),
        APIKeyApproval::crd(),
    ];
    for definition in &mut definitions {
        name_the_list_kind(definition);
        for version in &mut definition.spec.versions {
            let schema = version
                .schema
                .as_mut()
                .and_then(|it| it.open_api_v3_schema.as_mut());
            if let Some(schema) = schema {
                refine(schema);
                if let Some(spec) = property(schema, "spec") {
                    require_defaulted(spec);
                    refuse_unreadable_times(spec);
                    // What `kubectl explain` opens with: the type's own words.
                    let about = spec.description.clone();
                    schema.description = about;
                }
            }
        }
    }
    definitions.into()
}

/// The file a definition is kept in, as the published API names it.
pub fn file_name(definition: &CustomResourceDefinition) -> String {
    format!("{GROUP}_{}.yaml", definition.spec.names.plural)
}

fn name_the_list_kind(definition: &mut CustomResourceDefinition) {
    let names = &mut definition.spec.names;
    names.list_kind = Some(format!("{}List", names.kind));
}

/// Brings one schema and everything in it to the published form: no titles, no
/// `nullable` (an optional field is left out, not null), and Kubernetes' own
/// types as Kubernetes declares them.
fn refine(schema: &mut JSONSchemaProps) {
    schema.title = None;
    schema.nullable = None;
    for (name, child) in schema.properties.iter_mut().flatten() {
        refine(child);
        match name.as_str() {
            "selector" | "secretRef" => child.x_kubernetes_map_type = Some("atomic".into()),
            "conditions" => refine_conditions(child),
            _ => {}
        }
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        refine(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        refine(values);
    }
}

/// A condition's status is one of three words, and its reason is never empty.
/// Lengths are left open: a reviewer's long message must not keep a denial out
/// of the status.
fn refine_conditions(conditions: &mut JSONSchemaProps) {
    let Some(JSONSchemaPropsOrArray::Schema(condition)) = conditions.items.as_mut() else {
        return;
    };
    if let Some(status) = property(condition, "status") {
        let words = ["True", "False", "Unknown"];
        status.enum_ = Some(words.map(|word| JSON(word.into())).into());
    }
    if let Some(reason) = property(condition, "reason") {
        reason.min_length = Some(1);
    }
}

/// The published schema lists enumerated fields with a default as required.
fn require_defaulted(spec: &mut JSONSchemaProps) {
    let defaulted: Vec<String> = spec
        .properties
        .iter()
        .flatten()
        .filter(|(_, field)| field.default.is_some() && field.enum_.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    if !defaulted.is_empty() {
        let required = spec.required.get_or_insert_default();
        required.extend(defaulted);
        required.sort();
        required.dedup();
    }
}

/// Offsets that exist and fractions that fit. The API server's own `date-time`
/// format lets through times like `2030-01-01T00:00:00+99:99`, and one object
/// that cannot be parsed would stop the watch of its whole kind.
const READABLE_TIME: &str = concat!(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]",
    r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?",
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
);

fn refuse_unreadable_times(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref() == Some("date-time") {
        schema.pattern = Some(READABLE_TIME.into());
    }
    schema
        .properties
        .iter_mut()
        .flatten()
        .for_each(|(_, child)| refuse_unreadable_times(child));
}

fn property<'a>(schema: &'a mut JSONSchemaProps, name: &str) -> Option<&'a mut JSONSchemaProps> {
    schema.properties.as_mut()?.get_mut(name)
}
