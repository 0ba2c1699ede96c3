//! How is something told as an Event, as `kubectl describe` shows it?
//!
//! kube's `Recorder` makes names of the object's own, which is too long where that has more than
//! some 230 characters, and a series of Events that are alike.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

/// What the API server takes of a note, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// Whether somebody should look: of type `Warning`, else `Normal`.
    pub is_warning: bool,
    /// One word for the kind of it.
    pub reason: &'a str,
    /// One word for what was done.
    pub action: &'a str,
    /// A sentence for a person; cut where it is longer than the API server takes.
    pub note: &'a str,
}

/// The Event for it: `reporter` tells it, and `instance` is which of its replicas.
pub fn event(
    regarding: ObjectReference,
    news: News<'_>,
    reporter: &str,
    instance: Option<&str>,
    now: Timestamp,
) -> Event {
    let note = &news.note[..news.note.floor_char_boundary(LONGEST_NOTE)];
    let type_ = if news.is_warning { "Warning" } else { "Normal" };
    Event {
        metadata: ObjectMeta {
            namespace: regarding.namespace.clone(),
            generate_name: regarding.name.as_deref().map(beginning),
            ..ObjectMeta::default()
        },
        action: Some(news.action.to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(note.to_owned()),
        reason: Some(news.reason.to_owned()),
        regarding: Some(regarding),
        reporting_controller: Some(reporter.to_owned()),
        reporting_instance: Some(instance.unwrap_or(reporter).to_owned()),
        type_: Some(type_.to_owned()),
        ..Event::default()
    }
}

/// What the name of an Event begins with: names can be too long to begin another.
fn beginning(name: &str) -> String {
    const LONGEST: usize = 57;
    let cut = &name[..name.floor_char_boundary(LONGEST)];
    format!("{}-", cut.trim_end_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_about_the_longest_name_can_be_created() {
        let regarding = ObjectReference {
            name: Some("k".repeat(253)),
            ..ObjectReference::default()
        };
        let note = "ü".repeat(1024);
        let news = News {
            is_warning: false,
            reason: "Revealed",
            action: "Reveal",
            note: &note,
        };
        let event = event(
            regarding,
            news,
            "example.com/it",
            None,
            Timestamp::UNIX_EPOCH,
        );
        let note = event.note.unwrap();
        assert_eq!(note.len(), LONGEST_NOTE, "{note}");
        // The API server adds five characters, and cuts nothing.
        assert!(
            event
                .metadata
                .generate_name
                .is_some_and(|it| it.len() <= 58)
        );
    }

    #[test]
    fn the_beginning_of_a_name_ends_in_a_character_that_names_may_have_there() {
        let cut_at_a_dot = format!("{}.b", "a".repeat(56));
        assert_eq!(beginning(&cut_at_a_dot), format!("{}-", "a".repeat(56)));
        assert_eq!(beginning("alice"), "alice-");
    }
}
